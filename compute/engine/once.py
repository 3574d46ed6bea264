"""Idempotency keys: a request that is sent again re-attaches to what it started."""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

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

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Key:
    """A key with what it stands for."""

    #: ``None``: the request is about no project.
    project_id: uuid.UUID | None
    principal: str
    value: str
    #: Tells the request: the same key with another one is a mistake of the client.
    fingerprint: str


class Replayed(Exception):
    """The request was sent before, and has started ``operation``."""

    def __init__(self, operation: Operation) -> None:
        super().__init__(operation)
        self.operation = operation


class AlreadyMade(Exception):
    """The request was sent before, and has made the row ``resource_id``."""

    def __init__(self, resource_id: uuid.UUID) -> None:
        super().__init__(resource_id)
        self.resource_id = resource_id


def start(
    key: Key | None, call: Callable[[], R], operation_of: Callable[[R], uuid.UUID]
) -> R:
    """Call a service and remember, in its transaction, the operation it started.

    A request with the same key meanwhile waits here for the unique index. What ``call``
    raises leaves no trace of the key. Raises `Replayed` instead of calling twice, and
    IdempotencyKeyReused when the key stands for another request.
    """
    return _once(key, call, lambda result: {"operation_id": operation_of(result)})


def make(key: Key | None, call: Callable[[], R], id_of: Callable[[R], uuid.UUID]) -> R:
    """Do as `start` for a service that makes a row at once; raises `AlreadyMade`."""
    return _once(key, call, lambda result: {"resource_id": id_of(result)})


def _once(
    key: Key | None,
    call: Callable[[], R],
    remember: Callable[[R], Mapping[str, uuid.UUID]],
) -> R:
    if key is None:
        return call()
    _refuse_known(key)
    try:
        with transaction.atomic():
            row = _insert(key)
            result = call()
            made = IdempotencyKey.objects.filter(pk=row.pk)
            made.update(**remember(result))
    except _KeyTakenError:
        _refuse_known(key)
        raise ConcurrentUpdate("The first request with this key was undone.") from None
    return result


class _KeyTakenError(Exception):
    """Another request with the key was faster."""


def _refuse_known(key: Key) -> None:
    known = _same(key).select_related("operation").first()
    if known is None or known.created_at <= _oldest():
        return
    if known.fingerprint != key.fingerprint:
        raise IdempotencyKeyReused(
            "This Idempotency-Key was sent before, with another request."
        )
    if known.operation is not None:
        raise Replayed(known.operation)
    if known.resource_id is not None:
        raise AlreadyMade(known.resource_id)


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
