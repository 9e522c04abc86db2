"""Passwords that are guessed first are refused where one is set; who has one already can still sign in."""

import asyncio

import pytest
from argon2 import PasswordHasher
from support.shop import Shop, unique
from support.terminal import Operator

from premade.runtime.errors import Invalid
from premade.staff.member import add_staff, set_password
from premade.staff.member_sql import StaffRow
from premade.staff.password import why_refused
from premade.staff.role import Role
from premade.staff.session import Member, Sessions

GOOD = "three small ferries"


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("aaaaaaaaaaaa", "too few different characters"),
        ("ffffffggggghhhh", "too few different characters"),
        ("abcabcabcabcdede", "too few different|repeats"),
        ("iloveyouiloveyou", "repeats itself"),
        ("abcdefghijklmn", "a sequence"),
        ("123456789012", "common passwords|sequence"),
        ("PASSWORD1234", "common passwords"),
        ("Passw0rd!2024", "common passwords"),
        ("qwerty qwerty", "repeats itself"),
        ("!@#$%^&*()_+", "keys of a keyboard"),
        ("mei.wongmei.wong", "repeats itself"),
        ("MEI WONG - mei.wong", "repeats itself|a name"),
        ("mei.wong.12345", "a name that belongs to the account"),
        ("premade-12345", "a name that belongs to the account or the product"),
        ("            ", "12 to 200 characters, not counting blanks around it"),
        ("  qk7vzt2bm  ", "12 to 200 characters, not counting blanks around it"),
        ("short", "12 to 200 characters"),
        ("x" * 201, "12 to 200 characters"),
        ("\uff50\uff41\uff53\uff53\uff57\uff4f\uff52\uff441234", "common passwords"),
    ],
)
def test_a_password_that_is_easy_to_guess_is_refused_with_the_reason(password: str, why: str) -> None:
    refused = asyncio.run(why_refused(password, "mei.wong"))

    assert refused
    assert any(part in refused for part in why.split("|")), refused


@pytest.mark.parametrize(
    "password",
    [
        GOOD,
        "kq7f zt2b mm9x",
        "correct horse battery staple",
        "\u6d77\u6e2f\u4e0a\u7684\u4e09\u8258\u5c0f\u6e21\u8f2a\u548c\u71c8\u706b\u548c\u96e8",
        "z" + "Qk7 " * 49,
    ],
)
def test_others_are_taken(password: str) -> None:
    assert asyncio.run(why_refused(password, "mei.wong")) is None


def test_every_place_where_a_password_is_set_asks(shop: Shop) -> None:
    name, weak = unique("mei"), "passwordpassword"

    def add(password: str) -> StaffRow:
        return shop.operate(lambda database, runtime: add_staff(database, runtime, name, "finance", password))

    with pytest.raises(Invalid, match="Must be harder to guess: it repeats itself"):
        add(weak)
    member = Member(add(GOOD).staff_id, name, Role.FINANCE)
    with pytest.raises(Invalid, match="password: Must be harder to guess"):
        shop.operate(lambda database, runtime: set_password(database, runtime, name, f"{name}{name}"))
    with pytest.raises(Invalid, match="new-password: Must be harder to guess"):
        shop.operate(
            lambda database, runtime: Sessions(database, runtime).change_password(
                member, GOOD, weak, "127.0.0.1"
            )
        )
    done = Operator(shop.dsn).run("staff", "set-password", name, "--password-stdin", typed=f"{weak}\n")
    assert done.returncode == 1
    assert done.stderr.startswith("premade: password: Must be harder to guess")


def test_who_has_such_a_password_already_still_signs_in(shop: Shop) -> None:
    name = unique("old")
    shop.operate(lambda database, runtime: add_staff(database, runtime, name, "finance", GOOD))
    shop.sql(
        "UPDATE staff SET password_digest = %s WHERE name = %s", PasswordHasher().hash("aaaaaaaaaaaa"), name
    )

    assert shop.operate(
        lambda database, runtime: Sessions(database, runtime).sign_in(name, "aaaaaaaaaaaa", "127.0.0.1")
    )
