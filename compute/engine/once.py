"""Idempotency keys: a request that is sent again re-attaches to what it started."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from compute.errors import ConcurrentUpdate, IdempotencyKeyReused
from compute.models.idempotency import IdempotencyKey
from compute.models.operation import Operation

#: How long a key is remembered.
KEPT = timedelta(hours=24)
#: Keys forgotten in one statement.
CHUNK = 5000


@dataclass(frozen=True, slots=True)
class Key:
    """A key with what it stands for."""

    #: ``None``: the request is about no project.
    project_id: uuid.UUID | None
    principal: str
    value: str
    #: Of the request: the same key with a different one is a mistake of the client.
    fingerprint: str


class Replayed(Exception):
    """The request was sent before."""

    def __init__(self, known: IdempotencyKey) -> None:
        super().__init__(known.key)
        self._known = known

    @property
    def operation(self) -> Operation:
        """The operation that it has started."""
        if self._known.operation is None:
            raise TypeError("the first request has started no operation")
        return self._known.operation

    @property
    def resource_id(self) -> uuid.UUID | None:
        """The row that it has made at once."""
        return self._known.resource_id


class Claim:
    """What a request does under its key."""

    def __init__(self, row: IdempotencyKey | None) -> None:
        self._row = row

    def remember(
        self,
        *,
        operation_id: uuid.UUID | None = None,
        resource_id: uuid.UUID | None = None,
    ) -> None:
        """Keep what the request has started or made, for who sends it again."""
        if self._row is not None:
            IdempotencyKey.objects.filter(pk=self._row.pk).update(
                operation=operation_id, resource_id=resource_id
            )


@contextmanager
def claim(key: Key | None) -> Iterator[Claim]:
    """Do something once, in a transaction that also holds its key; None: without one.

    A request with the same key meanwhile waits here for the unique index. What the block
    raises leaves no trace of the key. Raises `Replayed` instead of entering it twice, and
    IdempotencyKeyReused when the key stands for another request.
    """
    if key is None:
        yield Claim(None)
        return
    _refuse_known(key)
    try:
        with transaction.atomic():
            yield Claim(_insert(key))
    except _KeyTakenError:
        _refuse_known(key)
        raise ConcurrentUpdate(
            "The first request with this key was rolled back."
        ) from None


class _KeyTakenError(Exception):
    """Another request with the key was faster."""


def _refuse_known(key: Key) -> None:
    known = _same(key).select_related("operation").first()
    if known is None or known.created_at <= _oldest():
        return
    if known.fingerprint != key.fingerprint:
        raise IdempotencyKeyReused(
            "This Idempotency-Key was already used for a different request."
        )
    raise Replayed(known)


def _same(key: Key) -> QuerySet[IdempotencyKey]:
    return IdempotencyKey.objects.filter(
        project=key.project_id, principal=key.principal, key=key.value
    )


def _oldest() -> datetime:
    return timezone.now() - KEPT


def _insert(key: Key) -> IdempotencyKey:
    _same(key).filter(created_at__lte=_oldest()).delete()
    try:
        with transaction.atomic():
            return IdempotencyKey.objects.create(
                project_id=key.project_id,
                principal=key.principal,
                key=key.value,
                fingerprint=key.fingerprint,
            )
    except IntegrityError as error:
        raise _KeyTakenError from error


def forget_old() -> int:
    """Remove what nobody will be asked about any more; return how many."""
    old = IdempotencyKey.objects.filter(created_at__lte=_oldest())
    removed = 0
    while ids := list(old.values_list("pk", flat=True)[:CHUNK]):
        removed += IdempotencyKey.objects.filter(pk__in=ids).delete()[0]
    return removed
