"""What a client knows of a row: a write is done only while that still holds."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from compute.errors import PreconditionFailed

#: Takes a row that is locked, or None where there is none yet; raises
#: PreconditionFailed unless it is as the client knows it. None: anything will do.
Expect = Callable[[Any], None] | None


def check_expected(row: Any, expect: Expect) -> None:
    """Raise PreconditionFailed unless a locked row is as the client knows it."""
    if expect is not None:
        expect(row)


@dataclass(frozen=True, slots=True)
class VersionIs:
    """Expects the version that somebody was shown."""

    version: int

    def __call__(self, row: Any) -> None:
        if row.version != self.version:
            raise unexpected(row)


def unexpected(row: Any) -> PreconditionFailed:
    """Return the refusal of a write whose client knows a row otherwise."""
    version = getattr(row, "version", None)
    if version is None:
        return PreconditionFailed("It is not as If-Match or If-None-Match says.")
    return PreconditionFailed(f"The current version is {version}.", version=version)
