"""Attempts: how guesses are counted, whatever they guess at."""

import asyncio
from datetime import datetime

import pytest
from support.attempts import end_window
from support.shop import Shop, unique

from premade.postgres.database import Database, Transaction
from premade.redemption import manual
from premade.runtime.background import AT_ONCE
from premade.runtime.clock import Runtime
from premade.staff import sign_in_attempt
from premade.throttle.attempts import (
    SWEEP_EVERY_SECONDS,
    SWEPT_AT_ONCE_MAX,
    AttemptCount,
    AttemptLimit,
    CountedSubject,
    count_attempts,
    sweep_turn,
    take_back,
)

LIMIT = AttemptLimit("test", 5, 600)


@pytest.fixture
def subject() -> CountedSubject:
    return CountedSubject(LIMIT, unique("subject"))


async def guess(database: Database, runtime: Runtime, *subjects: CountedSubject) -> list[AttemptCount]:
    async with database.transaction() as tx:
        return await count_attempts(tx, runtime.now(), subjects)


STATEMENT_SECONDS_MAX = 30


def counted(shop: Shop, subject: CountedSubject) -> int | None:
    """The count in the table."""
    rows = shop.sql("SELECT count FROM attempts WHERE subject = %s", subject.digest)
    return rows[0]["count"] if rows else None


def test_of_many_guesses_at_once_the_limit_passes(shop: Shop, subject: CountedSubject) -> None:
    async def at_once(database: Database, runtime: Runtime) -> list[AttemptCount]:
        guesses = [guess(database, runtime, subject) for _ in range(20)]
        return [count for [count] in await asyncio.gather(*guesses)]

    counts = shop.operate(at_once)

    assert sorted(count.attempts for count in counts) == list(range(1, 21))
    assert sum(not count.is_over for count in counts) == LIMIT.attempts_max
    assert sum(count.is_first_over for count in counts) == 1
    # A window begins when its statement runs, on a busy machine seconds after the guess.
    assert all(0 < count.seconds_left <= LIMIT.window_seconds + STATEMENT_SECONDS_MAX for count in counts)


def test_transactions_that_count_the_same_subjects_in_any_order_do_not_deadlock(shop: Shop) -> None:
    subjects = [CountedSubject(LIMIT, unique("subject")) for _ in range(12)]

    async def at_once(database: Database, runtime: Runtime) -> None:
        async def count_and_take_back(ordered: list[CountedSubject]) -> None:
            for _ in range(10):
                async with database.transaction() as tx:
                    counts = await count_attempts(tx, runtime.now(), ordered)
                async with database.transaction() as tx:
                    await take_back(tx, counts)

        await asyncio.gather(*(count_and_take_back(each) for each in (subjects, subjects[::-1]) * 2))

    shop.operate(at_once)

    assert [counted(shop, subject) for subject in subjects] == [0] * len(subjects)


def test_the_counts_come_in_the_order_of_the_subjects(shop: Shop) -> None:
    subjects = [CountedSubject(LIMIT, unique("subject")) for _ in range(8)]

    async def one_more_on_each_later_one(database: Database, runtime: Runtime) -> list[AttemptCount]:
        for first in range(1, len(subjects)):
            await guess(database, runtime, *subjects[first:])
        return await guess(database, runtime, *subjects)

    counts = shop.operate(one_more_on_each_later_one)

    assert [count.attempts for count in counts] == list(range(1, len(subjects) + 1))


def test_two_kinds_do_not_share_a_count(shop: Shop) -> None:
    text = unique("subject")
    one, other = CountedSubject(LIMIT, text), CountedSubject(AttemptLimit("another", 5, 600), text)

    async def count(database: Database, runtime: Runtime) -> list[int]:
        subjects = [one, one, other]
        return [(await guess(database, runtime, each))[0].attempts for each in subjects]

    assert shop.operate(count) == [1, 2, 1]


def test_each_limit_of_the_service_has_a_kind_of_its_own() -> None:
    limits = [
        each
        for module in (manual, sign_in_attempt)
        for each in vars(module).values()
        if isinstance(each, AttemptLimit)
    ]

    assert len(limits) == 8
    assert len({limit.kind for limit in limits}) == len(limits)
    assert not [limit for limit in limits if " " in limit.kind], "the text begins after the first blank"


def test_neither_the_text_nor_the_kind_is_stored(shop: Shop, subject: CountedSubject) -> None:
    shop.operate(lambda database, runtime: guess(database, runtime, subject))

    assert subject.text not in str(shop.sql("SELECT attempts::text FROM attempts"))


def test_a_new_window_begins_after_the_end_of_one(shop: Shop, subject: CountedSubject) -> None:
    async def twice(database: Database, runtime: Runtime) -> list[AttemptCount]:
        return [(await guess(database, runtime, subject))[0] for _ in range(2)]

    first, second = shop.operate(twice)
    end_window(shop, subject)
    third, fourth = shop.operate(twice)

    assert [count.attempts for count in (first, second, third, fourth)] == [1, 2, 1, 2]
    assert third.seconds_left == LIMIT.window_seconds


def test_the_window_does_not_move_with_further_attempts(shop: Shop, subject: CountedSubject) -> None:
    def ends_at() -> datetime:
        shop.operate(lambda database, runtime: guess(database, runtime, subject))
        return shop.sql("SELECT ends_at FROM attempts WHERE subject = %s", subject.digest)[0]["ends_at"]

    assert ends_at() == ends_at()


def test_a_right_guess_is_taken_back_and_a_rollback_too(shop: Shop, subject: CountedSubject) -> None:
    async def right(database: Database, runtime: Runtime) -> None:
        counts = await guess(database, runtime, subject)
        async with database.transaction() as tx:
            await take_back(tx, counts)

    async def rolled_back(tx: Transaction, runtime: Runtime) -> None:
        await count_attempts(tx, runtime.now(), [subject])
        raise LookupError

    async def wrong(database: Database, runtime: Runtime) -> None:
        with pytest.raises(LookupError):
            async with database.transaction() as tx:
                await rolled_back(tx, runtime)

    shop.operate(right)
    shop.operate(wrong)

    assert counted(shop, subject) == 0


def test_an_attempt_is_taken_back_only_from_its_own_window(shop: Shop, subject: CountedSubject) -> None:
    other = CountedSubject(LIMIT, unique("subject"))

    def try_once() -> list[AttemptCount]:
        return shop.operate(lambda database, runtime: guess(database, runtime, subject, other))

    async def take_back_late(database: Database, _: Runtime) -> None:
        async with database.transaction() as tx:
            await take_back(tx, earlier)

    earlier = try_once()
    shop.sql("DELETE FROM attempts WHERE subject = %s", subject.digest)
    shop.operate(take_back_late)
    assert (counted(shop, subject), counted(shop, other)) == (None, 0), "the window was swept"

    earlier = try_once()
    end_window(shop, subject)
    try_once()
    shop.operate(take_back_late)
    assert (counted(shop, subject), counted(shop, other)) == (1, 1), "a new window has begun"


def test_a_restart_keeps_the_count(shop: Shop, subject: CountedSubject) -> None:
    """Each `operate` opens its own database connections, as a process that starts."""
    counts = [
        shop.operate(lambda database, runtime: guess(database, runtime, subject))[0]
        for _ in range(LIMIT.attempts_max + 1)
    ]

    assert [count.is_over for count in counts] == [False] * LIMIT.attempts_max + [True]


def test_ended_windows_are_swept_and_others_stay(shop: Shop) -> None:
    ended, current = unique("ended"), unique("current")
    insert = """INSERT INTO attempts (subject, ends_at, count)
        SELECT sha256((%s || n)::bytea), now() + %s * interval '1 second', 1 FROM generate_series(1, %s) AS n"""
    shop.sql(insert, ended, -1, SWEPT_AT_ONCE_MAX + 25)
    shop.sql(insert, current, 60, 25)

    def left(start: str) -> int:
        query = (
            "SELECT FROM generate_series(1, 2000) AS n JOIN attempts ON subject = sha256((%s || n)::bytea)"
        )
        return len(shop.sql(query, start))

    async def sweep(database: Database, runtime: Runtime) -> list[float]:
        turn = sweep_turn(database, runtime)
        return [await turn() for _ in range(3)]

    pauses = shop.operate(sweep)

    assert (left(ended), left(current)) == (0, 25)
    assert pauses[0] == AT_ONCE, "there was more to sweep"
    assert pauses[-1] == SWEEP_EVERY_SECONDS


def test_the_sweep_waits_for_nobody(shop: Shop, subject: CountedSubject) -> None:
    async def sweep_beside_a_count(database: Database, runtime: Runtime) -> None:
        await guess(database, runtime, subject)
        end_window(shop, subject)
        async with database.transaction() as tx:
            await count_attempts(tx, runtime.now(), [subject])
            async with asyncio.timeout(2):
                await sweep_turn(database, runtime)()

    shop.operate(sweep_beside_a_count)

    assert counted(shop, subject) == 1
