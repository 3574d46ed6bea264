"""`Prefer: wait=N` (RFC 7240): answer a write when its operation has ended."""

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from django.conf import settings
from rest_framework.request import Request
from rest_framework.response import Response

from compute.api.http import waits
from compute.engine import waiting
from compute.engine.waiting import Steps
from compute.models import Operation

#: Seconds until it is worth asking for an operation again.
POLL_AFTER = "2"


@dataclass(frozen=True, slots=True)
class Preference:
    #: Seconds to wait; 0 answers at once.
    wait: float
    #: What Preference-Applied says when the preference was honoured.
    applied: str | None


def preference(request: Request, *, default: float) -> Preference:
    """Return what the client prefers; ``default`` seconds if it does not say."""
    named: dict[str, str] = {}
    for item in _items(request.headers.get("Prefer", "")):
        # Its parameters, after the semicolon, are for preferences that are not ours.
        name, _, value = item.partition(";")[0].partition("=")
        # RFC 7240: of a preference given twice, the first counts.
        named.setdefault(name.strip().lower(), value.strip().strip('"'))
    if re.fullmatch(r"[0-9]{1,9}", named.get("wait", "")):
        seconds = min(int(named["wait"]), settings.API_MAX_WAIT_SECONDS)
        return Preference(seconds, f"wait={seconds}")
    if "respond-async" in named:
        return Preference(0, "respond-async")
    return Preference(min(default, settings.API_MAX_WAIT_SECONDS), None)


def _items(header: str) -> Iterator[str]:
    """Yield the parts between commas, apart from commas in quoted strings.

    One pass, however the header ends: a regular expression that tries again at every
    quote takes quadratic time.
    """
    start, quoted, escaped = 0, False, False
    for index, character in enumerate(header):
        if escaped:
            escaped = False
        elif quoted and character == "\\":
            escaped = True
        elif character == '"':
            quoted = not quoted
        elif character == "," and not quoted:
            yield header[start:index]
            start = index + 1
    yield header[start:]


def long_poll(
    view: waits.View,
    operation: Operation,
    answer: Callable[[str | None], Response],
    *,
    default: float = 0,
) -> Response:
    """Answer once an operation has ended, or as long after as the client prefers.

    ``answer`` takes what was applied; ``None``: the client did not say, or there was no
    room to wait.
    """
    request = view.request
    wanted = preference(request, default=default)
    if wanted.wait == 0 or not operation.is_live:
        return answer(wanted.applied)

    def steps() -> Steps[Response]:
        with waiting.place(request) as wait:
            if wait is not None:
                deadline = time.monotonic() + wanted.wait
                yield from wait.until_end(operation.pk, deadline=deadline)
        return answer(None if wait is None else wanted.applied)

    return waits.perform(view, steps())
