"""The second factor: codes of an authenticator app (TOTP, RFC 6238), and recovery codes."""

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pyotp.totp import TOTP

from premade.audit.actors import COMMAND_ACTOR
from premade.audit.event import AuditEvent
from premade.audit.events import RecoveryCodeUsed, SecondFactorRemoved, SecondFactorSet
from premade.audit.record import record
from premade.postgres.database import Database, Transaction
from premade.runtime.clock import Runtime
from premade.runtime.errors import FieldError, Invalid, Unavailable
from premade.runtime.master_keys import CannotUnseal, MasterKeyMissing, MasterKeys
from premade.staff import member_sql
from premade.staff import second_factor_sql as sql
from premade.staff.member import staff_in
from premade.staff.sign_in_attempt import WINDOW_SECONDS, TooManySignIns
from premade.texts.fields import field_text
from premade.throttle.attempts import AttemptCount, AttemptLimit, CountedSubject, count_attempts, take_back

ISSUER = "premade"
"""The name beside the codes in the app."""
STEP_SECONDS = 30
STEPS_APART_MAX = 1
"""The clock of a phone may be this many steps away (RFC 6238, 5.2)."""
SECRET_BYTES = 20
"""RFC 4226, R6."""
RECOVERY_CODES = 10
RECOVERY_CODE_BYTES = 10
OF_CODE = AttemptLimit("second-factor", 10, WINDOW_SECONDS)
_SEPARATORS = re.compile(r"[\s-]+")
_CODE = re.compile(r"[0-9]{6}")


@dataclass(frozen=True)
class Enrolment:
    """An app that is to be set up: its secret, as text and as the address in the QR code."""

    secret: str
    address: str


@dataclass(eq=False)
class SecondFactorUnreadable(Unavailable):
    """The service has no master key, or another one than the second factor was sealed with."""

    code = "SECOND_FACTOR_UNREADABLE"
    retry_after_seconds = 60

    reason: Literal["no_master_key", "other_master_key"]


def _master_keys(runtime: Runtime) -> MasterKeys:
    try:
        return runtime.master_keys()
    except MasterKeyMissing:
        raise SecondFactorUnreadable("no_master_key") from None


def _sealed(master_keys: MasterKeys, staff_id: int, secret: str) -> str:
    return base64.b64encode(master_keys.seal(secret.encode(), _subject(staff_id))).decode()


def _unsealed(master_keys: MasterKeys, staff_id: int, stored: str) -> str:
    try:
        return master_keys.unseal(base64.b64decode(stored), _subject(staff_id)).decode()
    except CannotUnseal:
        raise SecondFactorUnreadable("other_master_key") from None


def _subject(staff_id: int) -> str:
    """Return what a sealed secret is bound to."""
    return f"premade second factor of staff {staff_id}"


async def reseal_second_factors(database: Database, runtime: Runtime) -> None:
    """Seal all secrets with the current master key, so that an earlier one can be removed.

    Raises:
        SecondFactorUnreadable: no master key of this process opens one of them.
    """
    async with database.transaction() as tx:
        for row in await tx.fetch_all(sql.lock_secrets):
            master_keys = _master_keys(runtime)
            secret = _unsealed(master_keys, row.staff_id, row.secret)
            await tx.execute(
                sql.set_secret, staff_id=row.staff_id, secret=_sealed(master_keys, row.staff_id, secret)
            )


def enrolment_of(runtime: Runtime, staff_id: int, name: str, token: str) -> Enrolment:
    """Return what the app needs. The token, of a session or a half sign-in, always gets the same secret, and no other one.

    Nothing is stored before the app is set up. So what somebody else was shown, in another session, never becomes the
    member's second factor.

    Raises:
        SecondFactorUnreadable: there is no master key.
    """
    secret = _new_secret(runtime, staff_id, token)
    return Enrolment(secret, TOTP(secret).provisioning_uri(name=name, issuer_name=ISSUER))


def _new_secret(runtime: Runtime, staff_id: int, token: str) -> str:
    derived = _master_keys(runtime).derive(f"{_subject(staff_id)} in {token}")
    return base64.b32encode(derived[:SECRET_BYTES]).decode()


async def second_factor_of(database: Database, staff_id: int) -> sql.SecondFactorRow | None:
    """Return the member's second factor, or None if there is none."""
    async with database.single_statement() as tx:
        return await tx.fetch_one(sql.second_factor, staff_id=staff_id)


async def count_code(database: Database, runtime: Runtime, staff_id: int) -> AttemptCount:
    """Count an attempt. It is committed before the code is checked, so that concurrent guesses do not pass.

    Raises:
        TooManySignIns: the limit was reached earlier.
    """
    async with database.transaction() as tx:
        [count] = await count_attempts(tx, runtime.now(), [CountedSubject(OF_CODE, str(staff_id))])
    if count.is_over:
        raise TooManySignIns(count.seconds_left)
    return count


async def confirm_enrolment(
    tx: Transaction, runtime: Runtime, staff_id: int, token: str, code: str, actor: str
) -> list[str] | None:
    """Set the app of `enrolment_of` up if the code is right. Return the recovery codes, which are not stored, or None."""
    now, secret = runtime.now(), _new_secret(runtime, staff_id, token)
    step = _step_of(secret, _SEPARATORS.sub("", code), now)
    if step is None:
        return None
    sealed = _sealed(_master_keys(runtime), staff_id, secret)
    if (
        await tx.fetch_one(sql.add_second_factor, staff_id=staff_id, secret=sealed, step=step, now=now)
        is None
    ):
        return None
    codes = [_recovery_code(runtime) for _ in range(RECOVERY_CODES)]
    await tx.execute(sql.add_recovery_codes, staff_id=staff_id, digests=[_digest(code) for code in codes])
    await _record(tx, SecondFactorSet(staff_id=staff_id), runtime, actor)
    return codes


async def is_right(tx: Transaction, runtime: Runtime, staff_id: int, text: str, actor: str) -> bool:
    """Return whether the text is a code of the member's app, or a recovery code. Each is right once."""
    if _CODE.fullmatch(_SEPARATORS.sub("", text)):
        return await _is_right_code(tx, runtime, staff_id, text)
    if await tx.fetch_one(sql.use_recovery_code, staff_id=staff_id, digest=_digest(text)) is None:
        return False
    await _record(tx, RecoveryCodeUsed(staff_id=staff_id), runtime, actor)
    return True


async def remove_own(database: Database, runtime: Runtime, staff_id: int, code: str, actor: str) -> None:
    """Remove one's own second factor.

    Raises:
        Invalid: the code is wrong.
        TooManySignIns: too many codes were wrong.
    """
    count = await count_code(database, runtime, staff_id)
    async with database.transaction() as tx:
        if not await is_right(tx, runtime, staff_id, code, actor):
            raise wrong_code()
        await take_back(tx, [count])
        await _remove(tx, runtime, staff_id, actor)


async def set_up_own(
    database: Database, runtime: Runtime, staff_id: int, token: str, code: str, actor: str
) -> list[str]:
    """Set the member's app up in the session with this token. Return the recovery codes.

    Raises:
        Invalid: the code is wrong.
        TooManySignIns: too many codes were wrong.
    """
    count = await count_code(database, runtime, staff_id)
    async with database.transaction() as tx:
        codes = await confirm_enrolment(tx, runtime, staff_id, token, code, actor)
        if codes is None:
            raise wrong_code()
        await take_back(tx, [count])
    return codes


async def reset_second_factor(
    database: Database, runtime: Runtime, name: str, *, actor: str = COMMAND_ACTOR
) -> member_sql.StaffRow:
    """Remove a member's second factor, and sign them out everywhere.

    Raises:
        StaffUnknown: no member has this name.
    """
    async with database.transaction() as tx:
        member = await staff_in(tx, name)
        await _remove(tx, runtime, member.staff_id, actor)
        await tx.execute(member_sql.end_sessions, staff_id=member.staff_id)
    return member


def wrong_code() -> Invalid:
    """Return the error of a wrong code."""
    return Invalid([FieldError("code", field_text("staff.code_wrong"))])


async def _remove(tx: Transaction, runtime: Runtime, staff_id: int, actor: str) -> None:
    if await tx.fetch_one(sql.remove, staff_id=staff_id) is not None:
        await _record(tx, SecondFactorRemoved(staff_id=staff_id), runtime, actor)


async def _is_right_code(tx: Transaction, runtime: Runtime, staff_id: int, text: str) -> bool:
    row = await tx.fetch_one(sql.second_factor, staff_id=staff_id)
    if row is None:
        return False
    secret = _unsealed(_master_keys(runtime), staff_id, row.secret)
    step = _step_of(secret, _SEPARATORS.sub("", text), runtime.now())
    if step is None:
        return False
    return await tx.fetch_one(sql.accept_step, staff_id=staff_id, step=step) is not None


def _step_of(secret: str, code: str, now: datetime) -> int | None:
    """Return the time step whose code this is, or None."""
    totp, current = TOTP(secret), int(now.timestamp()) // STEP_SECONDS
    matching = None
    for step in range(current - STEPS_APART_MAX, current + STEPS_APART_MAX + 1):
        if hmac.compare_digest(totp.generate_otp(step).encode(), code.encode()):
            matching = step
    return matching


def _recovery_code(runtime: Runtime) -> str:
    letters = base64.b32encode(runtime.random_bytes(RECOVERY_CODE_BYTES)).decode()
    return "-".join(letters[start : start + 4] for start in range(0, len(letters), 4))


def _digest(recovery_code: str) -> bytes:
    plain = _SEPARATORS.sub("", recovery_code).upper()
    return hashlib.sha256(plain.encode(errors="surrogatepass")).digest()


async def _record(tx: Transaction, event: AuditEvent, runtime: Runtime, actor: str) -> None:
    await record(tx, event, runtime.now(), partner_id=None, actor=actor)
