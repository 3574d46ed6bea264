"""Every line of the work a request caused tells which request, operation and VM."""

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog

from compute.events import Actor
from compute.models import VM
from compute.services import vms


@pytest.fixture
def lines() -> Iterator[list[tuple[str, dict[str, Any]]]]:
    """What is logged, each line with the ids it will be written with."""
    written: list[tuple[str, dict[str, Any]]] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            ids = structlog.contextvars.get_contextvars()
            written.append((record.getMessage(), dict(ids)))

    listener = Listener()
    logging.getLogger("compute").addHandler(listener)
    yield written
    logging.getLogger("compute").removeHandler(listener)


def test_work_is_logged_with_the_ids_of_its_request(
    make_vm: Callable[..., VM],
    actor: Actor,
    drain: Callable[[], None],
    lines: list[tuple[str, dict[str, Any]]],
) -> None:
    vm = make_vm()
    lines.clear()
    vm = vms.act(vm, "stop", actor=actor)
    drain()
    expected = {
        "request_id": actor.request_id,
        "operation_id": str(vm.operation_id),
        "vm_id": str(vm.pk),
    }
    begun = [ids for text, ids in lines if text.startswith("Running vm.stop")]
    ended = [ids for text, ids in lines if text.endswith("ended: Done")]
    assert begun == [expected]
    assert ended == [expected], "the pass that ends it logs as the worker does"
