"""The queue before a statement: nobody is forgotten, nobody shares what must not be shared, nobody is kept waiting."""

import asyncio
from collections import Counter
from typing import Any

import pytest

from premade.activation.activation import Activation
from premade.partners.keyring import Caller
from premade.runtime.batching import (
    QUEUE_ITEMS_MAX,
    STATEMENT_ITEMS_MAX,
    MicroBatcher,
    QueueFull,
)
from premade.runtime.errors import Busy, DatabaseAway, Unavailable

Outcomes = list[dict[str, object]]
OF_ONE_MAX = QUEUE_ITEMS_MAX // 2


def activation(ticket: str, key: str | None = None, partner_id: int = 1) -> Activation:
    return Activation(Caller(1, partner_id, "ota"), "r", ticket, "n", "e", "p", "pay", key)


def partner_of(request: Activation) -> int:
    return request.caller.partner_id


def answers(batch: list[Activation]) -> Outcomes:
    return [{"ticket": asked.ticket_code} for asked in batch]


@pytest.mark.parametrize("turns_of_a_statement", [0, 1, 3])
def test_nobody_who_comes_just_when_a_statement_ends_is_forgotten(turns_of_a_statement: int) -> None:
    async def run(batch: list[Activation]) -> Outcomes:
        for _ in range(turns_of_a_statement):
            await asyncio.sleep(0)
        return answers(batch)

    async def client(queue: MicroBatcher[Activation, dict[str, Any]], number: int) -> None:
        for _ in range(number % 11):
            await asyncio.sleep(0)
        assert await queue.outcome(activation(f"T{number}")) == {"ticket": f"T{number}"}

    async def all_clients() -> None:
        for count in range(1, 60):
            queue = MicroBatcher("activation", run)
            async with asyncio.timeout(5):
                await asyncio.gather(*(client(queue, number) for number in range(count)))

    asyncio.run(all_clients())


def test_one_ticket_or_one_key_never_stands_twice_in_a_statement_and_a_statement_has_a_bound() -> None:
    statements: list[list[Activation]] = []

    async def run(batch: list[Activation]) -> Outcomes:
        statements.append(batch)
        await asyncio.sleep(0)
        return answers(batch)

    async def all_clients() -> None:
        queue = MicroBatcher("activation", run)
        asked = [activation(f"T{number}") for number in range(500)]
        asked += [activation("T1"), activation("X", "k"), activation("Y", "k"), activation("Z", "k")]
        await asyncio.gather(*(queue.outcome(one) for one in asked))

    asyncio.run(all_clients())

    assert sum(len(batch) for batch in statements) == 504
    assert max(len(batch) for batch in statements) == STATEMENT_ITEMS_MAX
    for batch in statements:
        claims = [claim for asked in batch for claim in asked.claims]
        assert len(claims) == len(set(claims))


def test_a_statement_that_fails_leaves_each_to_be_tried_alone() -> None:
    async def run(_: list[Activation]) -> Outcomes:
        message = "one of them is bad"
        raise ValueError(message)

    async def all_clients() -> list[object]:
        queue = MicroBatcher("activation", run)
        return await asyncio.gather(*(queue.outcome(activation(f"T{number}")) for number in range(3)))

    assert asyncio.run(all_clients()) == [None, None, None]


def test_with_the_database_away_each_is_told_so_and_the_next_is_served() -> None:
    away = True

    async def run(batch: list[Activation]) -> Outcomes:
        if away:
            raise DatabaseAway
        return answers(batch)

    async def all_clients() -> None:
        nonlocal away
        queue = MicroBatcher("activation", run)
        told = await asyncio.gather(
            *(queue.outcome(activation(f"T{number}")) for number in range(3)), return_exceptions=True
        )
        assert [type(one) for one in told] == [DatabaseAway] * 3
        away = False
        assert await queue.outcome(activation("T")) == {"ticket": "T"}

    asyncio.run(all_clients())


@pytest.mark.parametrize("refusal", [DatabaseAway(), Busy("connections")])
def test_with_the_database_away_nobody_waits_for_the_statements_of_those_before(refusal: Unavailable) -> None:
    statements = 0

    async def run(_: list[Activation]) -> Outcomes:
        nonlocal statements
        statements += 1
        await asyncio.sleep(0)
        raise refusal

    async def all_clients() -> list[object]:
        queue = MicroBatcher("activation", run)
        asked = [activation(f"T{number}") for number in range(3 * STATEMENT_ITEMS_MAX)]
        return await asyncio.gather(*(queue.outcome(one) for one in asked), return_exceptions=True)

    told = asyncio.run(all_clients())

    assert {type(one) for one in told} == {type(refusal)}
    assert statements == 1
    # Each its own: whoever raises one adds to its traceback.
    assert len({id(one) for one in told}) == 3 * STATEMENT_ITEMS_MAX


def test_many_who_wait_for_one_ticket_are_each_looked_at_once_and_keep_no_other_waiting() -> None:
    looked_at: Counter[str] = Counter()
    statements: list[list[str]] = []

    class Watched(Activation):
        @property
        def claims(self) -> set[tuple[int, str, str]]:
            looked_at[self.request_id] += 1
            return super().claims

    async def run(batch: list[Activation]) -> Outcomes:
        statements.append([asked.request_id for asked in batch])
        await asyncio.sleep(0)
        return answers(batch)

    def asked(request_id: str, ticket: str) -> Activation:
        return Watched(Caller(1, 1, "ota"), request_id, ticket, "n", "e", "p", "pay", None)

    async def all_clients() -> None:
        queue: Any = MicroBatcher("activation", run)
        crowd = [asked(f"{number:04}", "T") for number in range(QUEUE_ITEMS_MAX // 4)]
        await asyncio.gather(*(queue.outcome(one) for one in [*crowd, asked("other", "X")]))

    asyncio.run(all_clients())

    assert set(looked_at.values()) == {1}
    assert "other" in statements[0]
    of_crowd = [one for batch in statements for one in batch if one != "other"]
    assert of_crowd == sorted(of_crowd)
    assert len(of_crowd) == len(statements) == QUEUE_ITEMS_MAX // 4


def test_a_partner_has_half_of_the_queue_and_a_client_that_goes_away_is_served_all_the_same() -> None:
    done: list[str] = []
    gate = asyncio.Event()

    async def run(batch: list[Activation]) -> Outcomes:
        await gate.wait()
        done.extend(asked.ticket_code for asked in batch)
        return answers(batch)

    async def all_clients() -> None:
        queue = MicroBatcher("activation", run, partner_of)
        first = asyncio.create_task(queue.outcome(activation("first")))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        waiting = [
            asyncio.create_task(queue.outcome(activation(f"T{number}"))) for number in range(OF_ONE_MAX)
        ]
        await asyncio.sleep(0)
        with pytest.raises(QueueFull):
            await queue.outcome(activation("too many"))
        waiting.append(asyncio.create_task(queue.outcome(activation("other", partner_id=2))))
        waiting[0].cancel()
        gate.set()
        await asyncio.gather(first, *waiting, return_exceptions=True)

    asyncio.run(all_clients())

    assert "T0" in done
    assert len(done) == OF_ONE_MAX + 2
    assert "other" in done[1 : 1 + STATEMENT_ITEMS_MAX], (
        "in the next statement, though it was the last to come"
    )


def test_with_groups_no_statement_has_two_and_each_group_has_a_turn_before_the_next_of_another() -> None:
    statements: list[list[Activation]] = []

    async def run(batch: list[Activation]) -> Outcomes:
        statements.append(batch)
        await asyncio.sleep(0)
        return answers(batch)

    crowd = [activation(f"T{number}") for number in range(3 * STATEMENT_ITEMS_MAX)]
    others = [
        activation(f"T{number}", partner_id=partner_id) for partner_id in (2, 3, 4) for number in range(2)
    ]

    async def all_clients() -> list[object]:
        queue = MicroBatcher("activation", run, partner_of, mixes_partners=False)
        return await asyncio.gather(*(queue.outcome(request) for request in [*crowd, *others]))

    outcomes = asyncio.run(all_clients())

    assert outcomes == answers([*crowd, *others]), "each request has its own outcome"
    partners = [{partner_of(request) for request in batch} for batch in statements]
    assert partners == [{1}, {2}, {3}, {4}, {1}, {1}]
    assert [len(batch) for batch in statements] == [STATEMENT_ITEMS_MAX, 2, 2, 2, *2 * [STATEMENT_ITEMS_MAX]]
    assert [request for batch in statements for request in batch if partner_of(request) == 1] == crowd


def test_with_groups_a_claim_still_waits_for_the_one_before_it() -> None:
    statements: list[list[str]] = []

    async def run(batch: list[Activation]) -> Outcomes:
        statements.append([request.ticket_code for request in batch])
        await asyncio.sleep(0)
        return answers(batch)

    async def all_clients() -> None:
        queue = MicroBatcher("activation", run, partner_of, mixes_partners=False)
        requests = [
            activation("A", "k"),
            activation("B", "k"),
            activation("C"),
            activation("D", partner_id=2),
        ]
        async with asyncio.timeout(5):
            await asyncio.gather(*(queue.outcome(request) for request in requests))

    asyncio.run(all_clients())

    assert statements == [["A", "C"], ["D"], ["B"]]
