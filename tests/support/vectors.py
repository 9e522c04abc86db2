"""Writes docs/qr-token-vectors.json: `PYTHONPATH=tests .venv/bin/python -m support.vectors`."""

import json
from pathlib import Path
from typing import Any

import base45
from nacl.signing import SigningKey

from premade.tickets.code import Signer
from premade.tickets.key_file import base64url

FILE = Path(__file__).parents[2] / "docs" / "qr-token-vectors.json"
SEEDS = {"K1": bytes(range(32)), "K42": bytes(range(32, 64)), "T1": bytes(range(64, 96))}
CODE = "CRUISE-2025-FERRY-1762274285982"
SHORTEST, LONGEST = "AB-2025-CD-0000000000001", "ABCDEFGHIJKL-9999-MNOPQRSTUVWX-9999999999999"
GROUP_ORDER = 2**252 + 27742317777372353535851937790883648493


def signed(text: str, seed: bytes = SEEDS["K1"]) -> str:
    """The text with its signature, whatever it says."""
    return f"{text}:{base45.b45encode(SigningKey(seed).sign(text.encode()).signature).decode()}"


def valid(key_id: str, code: str, issue: int) -> dict[str, Any]:
    token = Signer.of(key_id, SEEDS[key_id]).token(code, issue)
    return {"token": token, "valid": True, "ticket_code": code, "issue_number": issue, "key_id": key_id}


def invalid(reason: str, because: str, token: str) -> dict[str, Any]:
    return {"token": token, "valid": False, "reason": reason, "because": because}


def with_signature(token: str, change: Any) -> str:
    signature = change(base45.b45decode(token[-96:]))
    return token[:-96] + base45.b45encode(signature).decode()


def flipped(signature: bytes) -> bytes:
    return bytes([signature[0] ^ 1]) + signature[1:]


def second_form(signature: bytes) -> bytes:
    """S + L in place of S: the same point, not the same number."""
    number = int.from_bytes(signature[32:], "little") + GROUP_ORDER
    return signature[:32] + number.to_bytes(32, "little")


def malformed() -> list[dict[str, Any]]:
    good = signed(f"PM1:{CODE}:1:K1")
    parts = {
        "another version": f"PM2:{CODE}:1:K1",
        "a code in lower case": f"PM1:{CODE.lower()}:1:K1",
        "a code with twelve digits": f"PM1:{CODE[:-1]}:1:K1",
        "a code whose prefix is too long": f"PM1:ABCDEFGHIJKLM{CODE[6:]}:1:K1",
        "issue number zero": f"PM1:{CODE}:0:K1",
        "an issue number with a leading zero": f"PM1:{CODE}:01:K1",
        "an issue number of four digits": f"PM1:{CODE}:1000:K1",
        "an issue number of another script": f"PM1:{CODE}:\u0661:K1",
        "key number zero": f"PM1:{CODE}:1:K0",
        "a key id with a leading zero": f"PM1:{CODE}:1:K01",
        "a test key id with a leading zero": f"PM1:{CODE}:1:T01",
        "a key id of another letter": f"PM1:{CODE}:1:X1",
        "no key id": f"PM1:{CODE}:1",
    }
    texts = {
        "nothing": "",
        "only a ticket code": CODE,
        "no signature": f"PM1:{CODE}:1:K1",
        "a signature that is too short": good[:-1],
        "a signature that is too long": good + "0",
        "a signature in lower case": good[:-96] + good[-96:].lower(),
        "a space before it": " " + good,
        "a line break after it": good + "\n",
    }
    return [
        *(invalid("MALFORMED", because, signed(text)) for because, text in parts.items()),
        *(invalid("MALFORMED", because, text) for because, text in texts.items()),
    ]


def vectors() -> dict[str, Any]:
    good = signed(f"PM1:{CODE}:1:K1")
    forged = signed(f"PM1:{CODE}:1:K1", bytes(32))
    return {
        "keys": [
            {
                "key_id": key_id,
                "algorithm": "Ed25519",
                "test": key_id.startswith("T"),
                "seed": base64url(seed),
                "public_key": base64url(SigningKey(seed).verify_key.encode()),
            }
            for key_id, seed in SEEDS.items()
        ],
        "tokens": [
            *(valid("K1", CODE, issue) for issue in (1, 2, 10, 999)),
            valid("K42", CODE, 1),
            valid("K1", SHORTEST, 1),
            valid("K42", LONGEST, 999),
            valid("T1", CODE, 1),
            *malformed(),
            invalid("KEY_UNKNOWN", "signed by K7, which is not listed", signed(f"PM1:{CODE}:1:K7", bytes(32))),
            invalid("SIGNATURE_MALFORMED", "three characters that say more than two bytes can", good[:-3] + ":::"),
            invalid("SIGNATURE_MALFORMED", "no base45 at its beginning, FGW + 1", good[:-96] + "GGW" + good[-93:]),
            invalid("SIGNATURE_WRONG", "another ticket code than was signed", good.replace("982:", "983:")),
            invalid("SIGNATURE_WRONG", "a higher issue number than was signed", good.replace(":1:", ":2:", 1)),
            invalid("SIGNATURE_WRONG", "another key id than was signed", good.replace("K1", "K42", 1)),
            invalid("SIGNATURE_WRONG", "a test key id in place of the live one that was signed", good.replace("K1", "T1", 1)),
            invalid("SIGNATURE_WRONG", "signed by another key under the id of this one", forged),
            invalid("SIGNATURE_WRONG", "one bit of the signature flipped", with_signature(good, flipped)),
            invalid("SIGNATURE_WRONG", "S + L in place of S", with_signature(good, second_form)),
            invalid("SIGNATURE_WRONG", "a signature of zeros", good[:-96] + "0" * 96),
        ],
    }  # fmt: skip


def written() -> str:
    return json.dumps(vectors(), indent=2) + "\n"


if __name__ == "__main__":
    FILE.write_text(written())
