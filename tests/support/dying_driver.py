"""A driver whose process dies at a call, before it is sent or when it was answered."""

import os
import signal
from collections import Counter
from functools import wraps
from pathlib import Path
from typing import Any

from providers.base import Provider
from providers.openstack import OpenStackProvider


class MortalProvider(OpenStackProvider):
    """An `OpenStackProvider` that may die.

    Options: ``die``, ``before METHOD`` or ``after METHOD``, and which of its calls to
    that method is meant if not the first; ``trace``, a file that the name of every
    method that was called is added to.
    """

    def __init__(self, *, die: str = "", trace: str, **options: str) -> None:
        self._when, self._method, count = (
            (*die.split(), "1")[:3] if die else ("", "", 0)
        )
        self._count = int(count)
        self._trace = Path(trace)
        self._called: Counter[str] = Counter()
        super().__init__(**options)

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name not in Provider.__abstractmethods__:
            return found

        @wraps(found)
        def call(*args: Any, **kwargs: Any) -> Any:
            self._called[name] += 1
            with self._trace.open("a") as file:
                file.write(f"{name}\n")
            dies = (name, self._called[name]) == (self._method, self._count)
            if dies and self._when == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            try:
                return found(*args, **kwargs)
            finally:  # a refusal is an answer, too: a server may be gone by now
                if dies:
                    os.kill(os.getpid(), signal.SIGKILL)

        return call
