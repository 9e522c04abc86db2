"""Keys of partners' names: equal for names that people would mistake for each other.

The service computes them, since lower case depends on the locale in PostgreSQL. After a migration, or with a newer version
of Unicode, stored keys can differ from what `folded` returns.
"""

import shlex
from collections import defaultdict

from premade.partners import name_keys_sql as sql
from premade.postgres.database import Database, Transaction
from premade.values.texts import folded


async def correct_name_keys(database: Database) -> list[str]:
    """Correct the keys of all partners' names; return a sentence for each name that clashes with an older one.

    Partners with clashing names keep their names and keep working.
    """
    async with database.transaction() as tx:
        return await correct_name_keys_in(tx)


async def correct_name_keys_in(tx: Transaction) -> list[str]:
    """Do what `correct_name_keys` does, in the caller's transaction."""
    rows = await tx.fetch_all(sql.names)
    if _wrong(rows):
        # The lock blocks new partners, but no sales.
        await tx.execute(sql.lock_partners)
        rows = await tx.fetch_all(sql.names)
        wrong = _wrong(rows)
        # Two partners may exchange their keys, so all changed keys are removed first.
        for partner_id in wrong:
            await tx.execute(sql.set_key, partner_id=partner_id, name_key=f" {partner_id}")
        for partner_id, name_key in wrong.items():
            await tx.execute(sql.set_key, partner_id=partner_id, name_key=name_key)
    return _clashes(rows)


def _alike(rows: list[sql.PartnerName]) -> list[list[sql.PartnerName]]:
    """Group the partners by the key of their names, the oldest first."""
    alike: defaultdict[str, list[sql.PartnerName]] = defaultdict(list)
    for row in rows:
        alike[folded(row.name)].append(row)
    return list(alike.values())


def _wrong(rows: list[sql.PartnerName]) -> dict[int, str]:
    """Return the correct keys by partner id, of the partners whose stored key differs.

    Of partners whose names clash, the oldest has the plain key, which blocks further such names. The others' keys end with a
    blank and their id; no other key contains a blank.
    """
    wrong: dict[int, str] = {}
    for partners in _alike(rows):
        plain = folded(partners[0].name)
        for number, row in enumerate(partners):
            key = f"{plain} {row.partner_id}" if number else plain
            if row.name_key != key:
                wrong[row.partner_id] = key
    return wrong


def _clashes(rows: list[sql.PartnerName]) -> list[str]:
    return [
        f"Partners {oldest.partner_id}, {oldest.name!r}, and {row.partner_id}, {row.name!r}, have names that "
        "differ only in case, blanks or invisible characters. Both work. Rename one: "
        f"premade partner set {shlex.quote(row.name)} --name NEW"
        for oldest, *others in _alike(rows)
        for row in others
    ]
