"""The current signing keys, live and test, and the master keys that open all of them."""

import stat
from collections.abc import Sequence
from pathlib import Path

from premade.doctor.check import Check, Installation, Needs, Result, result
from premade.tickets.sealing import unopened_keys
from premade.tickets.signing import PublicKey, SigningKeyMissing, is_key_sound, list_signing_keys


async def _examine(installation: Installation) -> Sequence[Result]:
    keys = await list_signing_keys(installation.database)
    current = {key.is_test: key for key in keys if key.is_current}
    results = [
        await _judged(installation, current.get(is_test), is_test=is_test) for is_test in (False, True)
    ]
    unopened = await unopened_keys(installation.database, installation.runtime)
    if unopened:
        results.append(result("cannot_open", key_ids=", ".join(unopened)))
    if plain := [key.key_id for key in keys if not key.is_sealed]:
        results.append(result("plain", key_ids=", ".join(plain)))
    path = installation.settings.master_key_path
    if installation.settings.master_key is None and _others_may_read(path):
        results.append(result("file_open", path=path.absolute()))
    return results


def _others_may_read(path: Path) -> bool:
    try:
        return bool(path.stat().st_mode & stat.S_IROTH)
    except OSError:
        return False


async def _judged(installation: Installation, key: PublicKey | None, *, is_test: bool) -> Result:
    kind, option = ("test", " --test") if is_test else ("live", "")
    if key is None:
        return result("none", kind=kind, option=option)
    try:
        is_sound = await is_key_sound(installation.database, installation.runtime, key)
    except SigningKeyMissing:
        return result("sealed", kind=kind, key_id=key.key_id)
    if not is_sound:
        return result("broken", kind=kind, key_id=key.key_id, option=option)
    return result("ok", kind=kind, key_id=key.key_id, days=(installation.runtime.now() - key.created_at).days)


SIGNING_KEYS = Check("signing_keys", _examine, Needs.SCHEMA)
