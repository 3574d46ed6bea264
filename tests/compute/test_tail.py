"""The tail: one look for all who wait, however many, and none for nobody."""

import threading
import time
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from django.db import OperationalError

from compute.tail import IDLE, LONGEST, Tail, Watch


class Things:
    """Things whose states change, and how often somebody looked at them."""

    def __init__(self) -> None:
        self.states: dict[UUID, Any] = {}
        self.looks: list[int] = []
        self.is_away = False

    def look(self, ids: Collection[UUID]) -> Mapping[UUID, Any]:
        self.looks.append(len(ids))
        if self.is_away:
            raise OperationalError("away")
        return {id: self.states[id] for id in ids if id in self.states}

    def watch(self, tell: Callable[[Any], object], known: Any = 0) -> Watch:
        id = uuid.uuid4()
        self.states[id] = known
        return Watch(self.look, id, known, tell)


@pytest.fixture
def tail() -> Iterator[Tail]:
    tail = Tail()
    yield tail
    for thread in threading.enumerate():
        if thread.name == "tail":
            thread.join(IDLE + 5)


def await_(is_so: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 10
    while not is_so():
        assert time.monotonic() < give_up
        time.sleep(0.01)


def _is_last(told: list[Any], state: Any) -> bool:
    return told[-1:] == [state]


def _has(told: list[Any], count: int) -> bool:
    return len(told) == count


def test_a_thousand_who_wait_cost_one_look(tail: Tail) -> None:
    things = Things()
    told: list[Any] = []
    watches = [things.watch(told.append) for _ in range(1000)]
    for watch in watches:
        tail.add(watch)
    time.sleep(1)
    looks = things.looks[:]
    assert len(looks) <= 1 / 0.02
    assert looks[-1] == 1000
    for watch in watches[:10]:
        things.states[watch.id] = 1
    await_(lambda: len(told) == 10)
    for watch in watches:
        tail.remove(watch)
    time.sleep(3 * LONGEST)
    before = len(things.looks)
    time.sleep(3 * LONGEST)
    assert len(things.looks) == before


def test_each_state_is_told_once(tail: Tail) -> None:
    things = Things()
    told: list[Any] = []
    watch = things.watch(told.append)
    tail.add(watch)
    for state in (1, 2, None):
        things.states[watch.id] = state
        await_(partial(_is_last, told, state))
    time.sleep(3 * LONGEST)
    tail.remove(watch)
    assert told == [1, 2, None]


def test_who_fails_keeps_nobody_from_being_told(tail: Tail) -> None:
    things = Things()
    told: list[Any] = []

    def fail(state: Any) -> None:
        raise ValueError(state)

    failing, other = things.watch(fail), things.watch(told.append)
    for watch in (failing, other):
        tail.add(watch)
        things.states[watch.id] = 1
    await_(lambda: told == [1])
    things.states[other.id] = 2
    await_(lambda: told == [1, 2])
    for watch in (failing, other):
        tail.remove(watch)


def test_what_a_database_that_is_away_hides_is_told_later(tail: Tail) -> None:
    things = Things()
    told: list[Any] = []
    watch = things.watch(told.append)
    things.is_away = True
    tail.add(watch)
    things.states[watch.id] = 1
    await_(lambda: len(things.looks) > 0)
    assert told == []
    things.is_away = False
    await_(lambda: told == [1])
    tail.remove(watch)


def test_a_watch_that_could_not_read_is_told_again(tail: Tail) -> None:
    things = Things()
    told: list[Any] = []

    def read(state: Any) -> None:
        told.append(state)
        if len(told) == 1:
            raise OperationalError("away")

    watch = things.watch(read)
    tail.add(watch)
    things.states[watch.id] = 1
    await_(lambda: told == [1, 1])
    tail.remove(watch)


def test_a_commit_here_is_seen_at_once(tail: Tail) -> None:
    things = Things()
    told: list[float] = []
    watch = things.watch(lambda _: told.append(time.monotonic()))
    watch.since -= 60  # it has waited for long
    tail.add(watch)
    time.sleep(0.3)
    late = []
    for state in range(1, 6):
        things.states[watch.id] = state
        happened = time.monotonic()
        tail.hint()
        await_(partial(_has, told, state))
        late.append(told[-1] - happened)
        time.sleep(0.03)
    tail.remove(watch)
    assert min(late) < LONGEST / 2
