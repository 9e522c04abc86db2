"""The current signing keys, live and test."""

from collections.abc import Sequence

from premade.doctor.check import Check, Installation, Needs, Result, result
from premade.tickets.signing import PublicKey, is_key_sound, list_signing_keys


async def _examine(installation: Installation) -> Sequence[Result]:
    keys = await list_signing_keys(installation.database)
    current = {key.is_test: key for key in keys if key.is_current}
    return [await _judged(installation, current.get(is_test), is_test=is_test) for is_test in (False, True)]


async def _judged(installation: Installation, key: PublicKey | None, *, is_test: bool) -> Result:
    kind, option = ("test", " --test") if is_test else ("live", "")
    if key is None:
        return result("none", kind=kind, option=option)
    if not await is_key_sound(installation.database, key):
        return result("broken", kind=kind, key_id=key.key_id, option=option)
    return result("ok", kind=kind, key_id=key.key_id, days=(installation.runtime.now() - key.created_at).days)


SIGNING_KEYS = Check("signing_keys", _examine, Needs.SCHEMA)
