"""The torture harness chooses faults by its seed, and measures the time without an answer."""

import random

from torture.ha.report import longest_gap
from torture.schedule import schedule

KINDS = ["kill", "freeze", "cut"]


def test_each_kind_comes_once_before_any_comes_again_and_a_seed_repeats_the_order() -> None:
    chosen = list(schedule(KINDS, 8, random.Random(7)))
    assert sorted(chosen[:3]) == sorted(chosen[3:6]) == sorted(KINDS)
    assert len(set(chosen[6:])) == 2
    assert chosen == list(schedule(KINDS, 8, random.Random(7)))
    assert {tuple(schedule(KINDS, 3, random.Random(seed))) for seed in range(50)} > {tuple(chosen[:3])}


def test_the_longest_time_without_an_answer_may_end_after_the_fault_but_begins_within_it() -> None:
    answered = [1.0, 2.0, 9.0, 9.5, 30.0]
    assert longest_gap(answered, begin=1.5, end=9.2) == 7.0
    assert longest_gap(answered, begin=9.2, end=10.0) == 20.5
    assert longest_gap(answered, begin=30.5, end=33.0) == 2.5
