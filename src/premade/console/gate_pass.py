"""Proof of who scanned: the service hands it out with the session, and a device sends it with what it let in by itself.

A scan may be sent after somebody else signed in on the device, when the session in which it was made is long over. The
proof names the member of staff, and only the service can make it. Whoever has the device could still use the proof of
a guard who worked on it before, for scans of those days; so the record also names who sent them.
"""

import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from premade.base.world import World
from premade.redemption.verdict import CLOCK_SKEW_MAX
from premade.tickets.signing import Signers

PASS_DAYS_MAX = 7
"""A scan later than this after the proof was handed out needs a newer one: the page gets one each minute while online."""
PASS_CHARACTERS_MAX = 128
_KEY_ID = "K1"
"""The key that every service has from its first start; one that was retired still proves who scanned."""
_LABEL = b"premade gate pass\0"
_PASS = re.compile(
    r"(?P<stated>(?P<staff_id>[1-9][0-9]{0,17})\.(?P<at>[0-9]{1,12}))\.(?P<proof>[0-9a-f]{64})"
)


@dataclass(frozen=True)
class GatePasses:
    """Makes and checks the proofs, with a key derived from a signing key of the service."""

    world: World
    signers: Signers

    async def issue(self, staff_id: int) -> str:
        """Return a proof that this member of staff is signed in now.

        Raises:
            SigningKeyMissing: the service has no signing key.
        """
        stated = f"{staff_id}.{int(self.world.now().timestamp())}"
        return f"{stated}.{await self._proof(stated)}"

    async def staff_id(self, given: str | None, scanned_at: datetime) -> int | None:
        """Return who scanned at that time by the proof; None when it is none, or of another time."""
        parts = _PASS.fullmatch(given or "")
        if parts is None or not hmac.compare_digest(await self._proof(parts["stated"]), parts["proof"]):
            return None
        passed = timedelta(seconds=scanned_at.timestamp() - int(parts["at"]))
        is_of_its_time = -CLOCK_SKEW_MAX <= passed <= timedelta(days=PASS_DAYS_MAX)
        return int(parts["staff_id"]) if is_of_its_time else None

    async def _proof(self, stated: str) -> str:
        signer = await self.signers.by_id(_KEY_ID)
        key = hmac.digest(signer.key.encode(), _LABEL, "sha256")
        return hmac.new(key, stated.encode(), hashlib.sha256).hexdigest()
