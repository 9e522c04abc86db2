"""The settings, and where each comes from. No password is shown."""

from collections.abc import Sequence

from premade.doctor.check import Check, Installation, Needs, Result, result
from premade.runtime.settings import Settings, variable_of

HIDDEN = "(not shown)"
_SECRET_WORDS = ("password", "secret", "key", "token")
_NO_SECRETS = {"master_key_file"}


def shown(settings: Settings, name: str) -> str:
    """Return the value of a setting. Of a connection string, only the parts that identify the database."""
    value = getattr(settings, name)
    if value is None or value == "":
        return "-"
    if name.endswith("_url"):
        return settings.database_named(str(value))
    is_secret = name not in _NO_SECRETS and any(word in name for word in _SECRET_WORDS)
    return HIDDEN if is_secret else str(value)


async def _examine(installation: Installation) -> Sequence[Result]:
    if installation.setting_faults:
        return [
            result("invalid", variable=fault.variable, why=fault.why) for fault in installation.setting_faults
        ]
    settings = installation.settings
    given = settings.model_fields_set
    facts = {
        variable_of(name): f"{shown(settings, name)} ({'environment' if name in given else 'default'})"
        for name in Settings.model_fields
    }
    return [result("ok", facts, given=len(given), defaults=len(facts) - len(given))]


SETTINGS = Check("settings", _examine, Needs.NOTHING)
