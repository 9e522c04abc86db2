"""Variables with misspelt names."""

import os
from collections.abc import Sequence

from premade.doctor.check import Check, Installation, Needs, Result, result
from premade.runtime.settings import unknown_variables


async def _examine(_: Installation) -> Sequence[Result]:
    return [
        result("misspelt", variable=name, nearest=nearest) if nearest else result("unknown", variable=name)
        for name, nearest in unknown_variables(os.environ).items()
    ] or [result("ok")]


VARIABLES = Check("variables", _examine, Needs.NOTHING)
