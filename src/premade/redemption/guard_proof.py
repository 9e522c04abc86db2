"""Guard proofs. The service issues a proof with the session; a device sends it with each offline scan.

A scan may be uploaded after its session has ended and somebody else has signed in on the device. The proof names the
member of staff, and only the service can issue it. Somebody with the device could send an earlier guard's proof with new scans,
so the audit record also names the uploader.
"""

import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from premade.redemption.verdict import CLOCK_SKEW_MAX
from premade.runtime.clock import Runtime
from premade.tickets.signing import Signers

PROOF_DAYS_MAX = 7
"""A proof is valid for scans within this time after its issue. Online, the page gets a new one each minute."""
PROOF_CHARACTERS_MAX = 128
_LABEL = b"premade gate pass\0"
_PROOF = re.compile(
    r"(?P<claim>(?P<staff_id>[1-9][0-9]{0,17})\.(?P<at>[0-9]{1,12}))\.(?P<proof>[0-9a-f]{64})"
)


@dataclass(frozen=True)
class GuardProofs:
    """Issue and check proofs, with a key derived from a signing key of the service."""

    runtime: Runtime
    signers: Signers

    async def issue(self, staff_id: int) -> str:
        """Return a proof that this member of staff is signed in now.

        Raises:
            SigningKeyMissing: the service has no signing key.
        """
        claim = f"{staff_id}.{int(self.runtime.now().timestamp())}"
        return f"{claim}.{await self._proof(claim)}"

    async def staff_id(self, proof: str | None, scanned_at: datetime) -> int | None:
        """Return the staff id in the proof, or None if the proof is invalid or not for that time."""
        parts = _PROOF.fullmatch(proof or "")
        if parts is None or not hmac.compare_digest(await self._proof(parts["claim"]), parts["proof"]):
            return None
        age = timedelta(seconds=scanned_at.timestamp() - int(parts["at"]))
        covers_scan = -CLOCK_SKEW_MAX <= age <= timedelta(days=PROOF_DAYS_MAX)
        return int(parts["staff_id"]) if covers_scan else None

    async def _proof(self, claim: str) -> str:
        # The first signing key, which every service has. It still proves who scanned after it was retired.
        signer = await self.signers.oldest()
        key = hmac.digest(signer.key.encode(), _LABEL, "sha256")
        return hmac.new(key, claim.encode(), hashlib.sha256).hexdigest()
