"""Calls that start together, each in a thread with a connection of its own."""

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.db import connection, connections

from compute.errors import Problem


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """Run calls in threads that start together; return results and refusals.

    Anything that is no `Problem`, such as a deadlock, is raised.
    """
    gate = threading.Barrier(len(calls))

    def run(call: Callable[[], Any]) -> Any:
        try:
            with connection.cursor():  # connected before the race
                gate.wait(timeout=30)
            return call()
        except Problem as problem:
            return problem
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def kinds(results: list[Any]) -> Counter[str]:
    return Counter(type(result).__name__ for result in results)
