"""Members of the operator's staff, without the tenth of a second that each check of a password takes."""

from argon2 import PasswordHasher

from premade.staff.session import Sessions, SignedIn
from support.shop import Shop

PASSWORD = "three small ferries"
DIGEST = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
"""A digest names its own cost, so that a check of this one is cheap, too."""


def new_staff(shop: Shop, name: str, role: str) -> None:
    """Add a member with the password above."""
    shop.sql(
        "INSERT INTO staff (name, role, password_digest, created_at) VALUES (%s, %s, %s, both_clocks(now()))",
        name,
        role,
        DIGEST,
    )


def sign_in(shop: Shop, name: str) -> SignedIn:
    """Open a session of theirs, as the form does."""
    signed_in = shop.operate(
        lambda database, runtime: Sessions(database, runtime).sign_in(name, PASSWORD, "127.0.0.1")
    )
    assert isinstance(signed_in, SignedIn)
    return signed_in
