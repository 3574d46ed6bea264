"""A cloud whose calls pass through the hands of a test, each by its name."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import wraps
from inspect import signature
from typing import Any

from providers.contract.cloud import Cloud, call_names

#: Takes the name of a call, such as ``servers.stop``, and surrounds it.
Around = Callable[[str], AbstractContextManager[None]]


class _Passing:
    """A service of a cloud, each of whose calls is surrounded."""

    def __init__(self, service: object, noun: str, around: Around) -> None:
        self._service = service
        self._noun = noun
        self._around = around

    def __getattr__(self, method: str) -> Any:
        found = getattr(self._service, method)

        @wraps(found)
        def call(*args: Any, **kwargs: Any) -> Any:
            arguments = signature(found).bind(*args, **kwargs).arguments
            with self._around(f"{self._noun}.{arguments.get('verb', method)}"):
                return found(*args, **kwargs)

        return call


def pass_calls(cloud: Cloud, around: Around) -> None:
    """Surround every call to a cloud from now on."""
    for noun in {name.partition(".")[0] for name in call_names()}:
        setattr(cloud, noun, _Passing(getattr(cloud, noun), noun, around))
