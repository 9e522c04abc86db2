"""Keys of partners' names, by which names that people would mistake for each other are told apart.

The service computes them, not the database: what is a small letter depends on a database's locale there. A migration, and
another version of Unicode, can leave keys that differ from what `folded` returns.
"""

import shlex
from collections import defaultdict
from typing import Any

from premade.base import statements
from premade.base.texts import folded
from premade.base.work import Database, Work

sql = statements.load(__file__)


async def correct_name_keys(database: Database) -> list[str]:
    """Correct the keys of all partners' names; return a sentence for each name that is too much like an older one.

    Both partners keep their names and go on working.
    """
    async with database.transaction() as work:
        return await correct_name_keys_in(work)


async def correct_name_keys_in(work: Work) -> list[str]:
    """As `correct_name_keys`, in a transaction that has begun."""
    rows = await work.all(sql.names)
    if _wrong(rows):
        # Nobody adds a partner meanwhile. Sales go on.
        await work.all(sql.lock_partners)
        rows = await work.all(sql.names)
        wrong = _wrong(rows)
        # Two partners can exchange their keys, so nobody keeps one in between.
        for partner_id in wrong:
            await work.all(sql.set_key, partner_id=partner_id, name_key=f" {partner_id}")
        for partner_id, name_key in wrong.items():
            await work.all(sql.set_key, partner_id=partner_id, name_key=name_key)
    return _clashes(rows)


def _alike(rows: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """The partners by their names' key, the oldest first."""
    alike: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        alike[folded(row["name"])].append(row)
    return list(alike.values())


def _wrong(rows: list[dict[str, Any]]) -> dict[int, str]:
    """The right key of each partner that has another one, by its id.

    The oldest of those whose names are alike has the plain key, which keeps any further name away. The others' keys end
    with a blank and their id: no name's key has a blank.
    """
    wrong: dict[int, str] = {}
    for partners in _alike(rows):
        plain = folded(partners[0]["name"])
        for number, row in enumerate(partners):
            key = f"{plain} {row['partner_id']}" if number else plain
            if row["name_key"] != key:
                wrong[row["partner_id"]] = key
    return wrong


def _clashes(rows: list[dict[str, Any]]) -> list[str]:
    return [
        f"Partners {oldest['partner_id']}, {oldest['name']!r}, and {row['partner_id']}, {row['name']!r}, have names that "
        "differ only in case, blanks or spelling of characters. Both work. Rename one: "
        f"premade partner set {shlex.quote(row['name'])} --name NEW"
        for oldest, *others in _alike(rows)
        for row in others
    ]
