"""Which premade this is."""

import platform
from collections.abc import Sequence
from importlib.metadata import version

from premade.doctor.check import Check, Installation, Needs, Result, result


async def _examine(_: Installation) -> Sequence[Result]:
    return [result("ok", version=version("premade"), python=platform.python_version())]


VERSION = Check("version", _examine, Needs.NOTHING)
