"""Reader: what a body shows beside its row."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import F, OuterRef, Subquery, Value
from django.db.models.functions import NullIf

from compute.access import Access
from compute.models import CloudService
from compute.models.cloud import COMPUTE


class CloudTimes(dict[str, datetime | None]):
    """Cloud alias -> when it was last observed; read when first asked."""

    _is_read = False

    def read(self) -> None:
        self.update(
            CloudService.objects.filter(service=COMPUTE).values_list(
                "cloud_id", "observed_at"
            )
        )
        self._is_read = True

    def __missing__(self, alias: str) -> datetime | None:
        if not self._is_read:
            self.read()
        return self.setdefault(alias, None)


#: The same for one cloud, beside a row of what is in it.
CLOUD_OBSERVED_AT = Subquery(
    CloudService.objects.filter(service=COMPUTE, cloud_id=OuterRef("cloud"))
    .order_by()
    .values("observed_at")[:1]
)


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads a body."""

    #: Says where they find the service when a link is written; see `host`.
    say_host: Callable[[], str] = str
    #: ``None``: nobody in particular, as a log.
    access: Access | None = None
    clouds: CloudTimes = field(default_factory=CloudTimes)

    @property
    def host(self) -> str:
        """Where they find the service, ``https://host``; empty: links are paths."""
        return self.say_host()


def problem(reader: Reader, stored: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return the problem document of an error that a resource carries."""
    if stored is None:
        return None
    return {"type": f"{reader.host}/problems/{stored['code']}", **stored}


def null_if_empty(column: str) -> NullIf:
    """Return `or_null` of a column as an expression."""
    return NullIf(F(column), Value(""))


def or_null(reader: Reader, text: str) -> str | None:
    """Return a text, or null where there is none."""
    return text or None
