"""The operator's settings, read from environment variables."""

import base64
from collections.abc import Mapping
from difflib import get_close_matches
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict
from pydantic import AfterValidator, Field, SecretStr, ValidationInfo
from pydantic_settings import BaseSettings, SettingsConfigDict

from premade.runtime.zones import checked_zone
from premade.texts.fields import field_text
from premade.texts.languages import checked_language
from premade.texts.translation import ENGLISH

PREFIX = "PREMADE_"
DATABASE_URL = "DATABASE_URL"
PER_MINUTE_MAX = 100_000_000
"""Maximum of a rate limit."""
_OF_A_WORKER = {"PREMADE_PARENT_PID"}
"""Set by the service for its own processes."""


def _connection_string(text: str) -> str:
    try:
        conninfo_to_dict(text)
    except ProgrammingError:
        # The driver's own message repeats the string, and with it the password.
        raise ValueError(field_text("setting.connection_string")) from None
    return text


def _addresses(text: str) -> str:
    for address in listed(text):
        try:
            ip_network(address)
        except ValueError:
            raise ValueError(field_text("setting.address", address=address)) from None
    return text


ROLES = frozenset({"admin", "operations", "finance", "gate"})
"""The roles of the staff (`staff.role.Role`)."""


def _roles(text: str) -> str:
    for role in listed(text):
        if role not in ROLES:
            raise ValueError(field_text("general.one_of", choices=", ".join(sorted(ROLES))))
    return text


def listed(text: str) -> list[str]:
    """Return the parts of a list that is separated by commas."""
    return [part for part in (part.strip() for part in text.split(",")) if part]


def is_safe_provider_address(text: str) -> bool:
    """Return whether a request to this address is encrypted, or stays on this machine."""
    try:
        parts = urlsplit(text)
        host = parts.hostname or ""
        if (
            not (text.isascii() and text.isprintable())
            or " " in text
            or not host
            or parts.username is not None
        ):
            return False
        return parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host))
    except ValueError:
        return False


def _is_loopback(host: str) -> bool:
    return host == "localhost" or ip_address(host).is_loopback


def _issuer(text: str, others: ValidationInfo) -> str:
    if not is_safe_provider_address(text) or {"?", "#"} & set(text):
        raise ValueError(field_text("setting.oidc_issuer"))
    if not others.data.get("oidc_client_id"):
        raise ValueError(field_text("setting.oidc_client_id"))
    return text


MASTER_KEY_BYTES = 32


def read_master_key(text: str) -> tuple[bytes, ...]:
    """Return the master keys in a text, in base64 with blanks or new lines between them.

    Raises:
        ValueError: there is none, or one is not 32 bytes.
    """
    # Both alphabets. Python skips what is in neither, unless it validates.
    keys = tuple(
        base64.b64decode(_padded(word), altchars=b"-_" if {"-", "_"} & set(word) else None, validate=True)
        for word in text.split()
    )
    if not keys or any(len(key) != MASTER_KEY_BYTES for key in keys):
        raise ValueError(field_text("setting.master_key"))
    return keys


def _padded(word: str) -> str:
    return word.rstrip("=") + "=" * (-len(word.rstrip("=")) % 4)


def _master_key(secret: SecretStr) -> SecretStr:
    try:
        read_master_key(secret.get_secret_value())
    except ValueError:
        # Another message could repeat the key.
        raise ValueError(field_text("setting.master_key")) from None
    return secret


_SHOWN_PARTS = {
    "host": "host",
    "hostaddr": "address",
    "port": "port",
    "dbname": "database",
    "service": "service",
}
"""The parts of a connection string that identify the database, and their names in messages."""


class Settings(BaseSettings):
    """The settings. Each is read from `PREMADE_<NAME>`, except DATABASE_URL, which has its usual name."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, populate_by_name=True)

    database_url: Annotated[str, AfterValidator(_connection_string)] | None = Field(
        default=None, validation_alias=DATABASE_URL
    )
    """The PostgreSQL to use. Without it the embedded PostgreSQL runs in `data_dir`."""
    replica_url: Annotated[str, AfterValidator(_connection_string)] | None = None
    """A standby of that PostgreSQL, for lists, reports, exports and snapshots."""
    data_dir: Path = Path("var")
    master_key: Annotated[SecretStr, AfterValidator(_master_key)] | None = None
    """The master keys: they encrypt the seeds of the signing keys. The first one encrypts, the others only decrypt."""
    master_key_file: Path | None = None
    """File with the master keys, if they are not in `master_key`. By default a file in `data_dir`."""
    timezone: Annotated[str, AfterValidator(checked_zone)] = "UTC"
    """The operator's time zone. It decides when a day ends, and the year in a ticket code."""
    language: Annotated[str, AfterValidator(checked_language)] = ENGLISH.tag
    """The language of the console for browsers that accept none of its languages."""
    log_format: Literal["auto", "json", "console"] = "auto"
    """`auto`: readable on a terminal, JSON lines elsewhere."""
    log_level: Literal["info", "warning", "error"] = "info"
    """The least important lines that the service logs. `warning` leaves out the lines of requests, sales and redemptions."""
    log_mask_customer_email: bool = False
    """Whether the log masks the customer's e-mail address in the line of an activation too."""
    gate_list_hours_max: int = Field(default=24, ge=1, le=720)
    """Maximum age, in hours, of the list that the gate page uses without network. A guard must confirm an older list."""
    gate_device_approval: bool = False
    """Whether a new device of a gate is refused until the operator approves it."""
    trusted_proxies: Annotated[str, AfterValidator(_addresses)] = ""
    """Addresses and networks of proxies whose X-Forwarded-For and X-Forwarded-Proto are trusted, separated by commas."""
    offline_scan_days: int = Field(default=30, ge=1, le=365)
    """Maximum age, in days, of a scan without network when it is uploaded. An older one is a conflict."""
    manual_entry_digits: int = Field(default=4, ge=4, le=8)
    """How many last digits of the customer's phone number a typed code needs at the gate."""
    second_factor_roles: Annotated[str, AfterValidator(_roles)] = ""
    """Roles of staff, separated by commas, that need a second factor to sign in."""
    oidc_client_id: Annotated[str, Field(min_length=1, max_length=500)] | None = None
    """The id of premade at the identity provider (OpenID Connect)."""
    oidc_issuer: Annotated[str, AfterValidator(_issuer)] | None = None
    """The identity provider at which staff can sign in. Without it they sign in by password only."""
    oidc_client_secret: SecretStr | None = None
    """The client secret at the identity provider. A client without one is public."""
    oidc_client_secret_file: Path | None = None
    """File with the client secret, if it is not in `oidc_client_secret`."""
    oidc_name: Annotated[str, Field(min_length=1, max_length=60)] = "single sign-on"
    """Name of the identity provider on the button."""
    oidc_claim: Annotated[str, Field(min_length=1, max_length=100)] = "email"
    """The claim that names a member of staff at the first sign-in. `none`: an admin links each account."""
    oidc_second_factor: Literal["ask", "amr", "trust"] = "ask"
    """Whether a sign-in at the identity provider needs the code of premade's own second factor, too."""
    customer_retention_days: int | None = Field(default=None, ge=1, le=3650)
    """Erase the contact data of customers so many days after the last use or the last day of use of their tickets."""
    database_connections_per_worker: int = Field(default=8, ge=1, le=100)
    """Connections beyond four are reserved for the micro-batches, at most two (`postgres/database.py`)."""
    statements_by_partner: bool = False
    """Whether each statement of sales and scans has requests of one partner only. Spread tables need this."""
    connections_max: int = Field(default=10_000, ge=1, le=1_000_000)
    """Maximum client connections of the service. Each worker takes an equal share, which its limit of open files may lower."""
    connections_per_address_max: int = Field(default=500, ge=1, le=1_000_000)
    """Maximum client connections of the service from one address (IPv6: one /64), an equal share in each worker. Trusted
    proxies are exempt."""
    rate_limit_generate: int = Field(default=60_000, ge=0, le=PER_MINUTE_MAX)
    """Requests a minute of one API key that generate batches or reserve stock. 0: no limit."""
    rate_limit_activate: int = Field(default=600_000, ge=0, le=PER_MINUTE_MAX)
    """The same for requests that activate, cancel or reissue tickets."""
    rate_limit_read: int = Field(default=120_000, ge=0, le=PER_MINUTE_MAX)
    """The same for lists, single records and exports."""
    rate_limit_gate: int = Field(default=600_000, ge=0, le=PER_MINUTE_MAX)
    """The same for the requests of a gate's key."""
    quota_unused_tickets: int = Field(default=0, ge=0)
    """Maximum unused tickets of a partner, of all products. 0: no quota."""
    quota_open_reservations: int = Field(default=0, ge=0)
    """Maximum reservations of a partner that hold stock. 0: no quota."""
    quota_channel_share_percent: int = Field(default=0, ge=0, le=100)
    """Maximum share of a channel's allotment of a product that a partner has unused or reserved. 0: no quota."""
    quota_long_reads: int = Field(default=16, ge=0, le=1_000)
    """Maximum exports and snapshots of a partner at once, over all workers and machines. 0: no quota."""
    drain_seconds: float = Field(default=0.5, ge=0, le=300)
    """How long, in seconds, /readyz answers 503 after SIGTERM before the service accepts no more connections."""

    @property
    def zone(self) -> ZoneInfo:
        """The operator's time zone."""
        return ZoneInfo(self.timezone)

    @property
    def master_key_path(self) -> Path:
        """The file of the master keys."""
        return self.master_key_file or self.data_dir / "master.key"

    @property
    def database_folder(self) -> Path:
        """Where the embedded PostgreSQL has its data."""
        return self.data_dir / "postgres"

    @staticmethod
    def database_named(connection_string: str) -> str:
        """Return the database that a connection string names, without a password, for messages."""
        named = conninfo_to_dict(connection_string)
        where = [f"{word} {named[name]}" for name, word in _SHOWN_PARTS.items() if named.get(name)]
        return ", ".join(where) or "with its defaults"

    @property
    def database_place(self) -> str:
        """The database in use and what chose it, without a password, for messages."""
        if self.database_url is not None:
            return f"the PostgreSQL of DATABASE_URL ({self.database_named(self.database_url)})"
        chosen = (
            "PREMADE_DATA_DIR"
            if "data_dir" in self.model_fields_set
            else "the default, relative to the working directory"
        )
        return f"the embedded PostgreSQL in {self.database_folder.absolute()} ({chosen})"


def variable_of(field: str | int) -> str:
    """Return the environment variable of a setting."""
    name = str(field).upper()
    return name if name == DATABASE_URL else f"{PREFIX}{name}"


def unknown_variables(environment: Mapping[str, str]) -> dict[str, str | None]:
    """Return the `PREMADE_` variables that are not settings, each with the most similar setting, or None."""
    names = [name for name in map(variable_of, Settings.model_fields) if name != DATABASE_URL]
    unknown = sorted(
        name
        for name in environment
        if name.upper().startswith(PREFIX) and name.upper() not in {*names, *_OF_A_WORKER}
    )
    return {name: _nearest(name.upper(), names) for name in unknown}


def _nearest(name: str, names: list[str]) -> str | None:
    if get_close_matches(name.removeprefix(PREFIX), [DATABASE_URL]):
        return DATABASE_URL
    return next(iter(get_close_matches(name, names, n=1, cutoff=0.75)), None)
