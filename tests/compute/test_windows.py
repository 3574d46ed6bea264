"""Counting in one process: exact, forgotten in time, and without thread or growth."""

import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import pytest
from limits import parse

from compute import windows
from compute.throttling import _ProcessStore
from compute.windows import Windows


class Clock:
    """A clock that stands until it is set."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_window_ends_and_the_next_counts_from_nothing() -> None:
    clock = Clock()
    counts = Windows(clock=clock)
    assert counts.increment("a", 60) == (1, 60)
    clock.now += 59
    assert counts.increment("a", 60) == (2, 1)
    assert counts.read("a") == (2, 1)
    clock.now += 1
    assert counts.read("a") == (0, 0)
    assert counts.increment("a", 60) == (1, 60)


def test_what_was_cleared_counts_from_nothing_and_for_its_own_time() -> None:
    clock = Clock()
    counts = Windows(clock=clock)
    counts.increment("a", 5)
    counts.clear("a")
    assert counts.read("a") == (0, 0)
    assert counts.increment("a", 60) == (1, 60)
    # The end of the first one is past when others come.
    clock.now += 10
    for number in range(10):
        counts.increment(f"b{number}", 60)
    assert counts.read("a") == (1, 50)


def test_what_has_ended_is_removed_by_what_comes() -> None:
    clock = Clock()
    counts = Windows(clock=clock)
    for number in range(1000):
        counts.increment(f"old{number}", 60)
    clock.now += 60
    for number in range(400):
        counts.increment(f"new{number}", 60)
    assert len(counts) == 400


def test_a_flood_drives_out_those_that_end_first() -> None:
    counts = Windows(max_windows=10, clock=Clock())
    counts.increment("failed login", 900)
    for number in range(1000):
        counts.increment(f"address {number}", 60)
    assert len(counts) == 10
    assert counts.read("failed login") == (1, 900)


@pytest.mark.slow
def test_a_million_keys_are_not_kept() -> None:
    counts = Windows()
    for number in range(1_000_000):
        counts.increment(f"default/2001:db8:{number:x}::/64", 60)
    assert len(counts) == windows.MAX_WINDOWS


def test_what_is_full_takes_no_more_memory() -> None:
    counts = Windows(max_windows=1_000)
    tracemalloc.start()
    try:
        for number in range(30_000):
            key = f"default/{number:8}"
            counts.increment(key, 60)
            if number % 3 == 0:
                counts.clear(key)
            if number == 3_000:
                full = tracemalloc.get_traced_memory()[0]
        assert tracemalloc.get_traced_memory()[0] < full * 1.2
    finally:
        tracemalloc.stop()


def test_eight_threads_lose_no_count() -> None:
    counts = Windows()

    def hit(_: int) -> list[int]:
        return [counts.increment("a", 600)[0] for _ in range(5_000)]

    with ThreadPoolExecutor(8) as pool:
        numbers = [number for found in pool.map(hit, range(8)) for number in found]
    assert sorted(numbers) == list(range(1, 40_001))


def test_counting_starts_no_thread() -> None:
    store, item = _ProcessStore(), parse("100/60 second")
    before = set(threading.enumerate())
    for number in range(50):
        store.hit(item, "default", f"user:{number}")
        store.increment(f"failed:{number}", 60)
        assert set(threading.enumerate()) <= before


def test_the_limit_is_the_number_of_requests_that_pass() -> None:
    store, item = _ProcessStore(), parse("3/60 second")
    assert [store.hit(item, "default", "a") for _ in range(5)] == [
        (True, 2, 60),
        (True, 1, 60),
        (True, 0, 60),
        (False, 0, 60),
        (False, 0, 60),
    ]
    assert store.hit(item, "poll", "a") == (True, 2, 60)
