"""Once a write is committed nothing makes an error of it: it would be sent again."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from django.db import OperationalError, connection

from compute.models import VM
from tests.support.api import Api, access_token, operator
from tests.support.api_calls import CALLS, Call, send, undone
from tests.support.populated_projects import Place, settle

MakeVM = Callable[..., VM]

WRITES = [
    call
    for call in CALLS
    if call.method not in ("GET", "HEAD") and call.success in (200, 201, 202, 204)
]


@contextmanager
def away_after_the_first_commit() -> Iterator[None]:
    """Have the database refuse everything that is asked after a transaction's end.

    Tests run inside a transaction, where one of the service's is a savepoint.
    """
    depth, committed = 0, False

    def execute(
        call: Callable[..., Any], sql: str, params: Any, many: bool, context: Any
    ) -> Any:
        nonlocal depth, committed
        if committed:
            raise OperationalError("server closed the connection unexpectedly")
        result = call(sql, params, many, context)
        if sql.startswith("SAVEPOINT"):
            depth += 1
        elif sql.startswith(("RELEASE SAVEPOINT", "ROLLBACK TO")):
            depth -= sql.startswith("RELEASE")
            committed = depth == 0 and sql.startswith("RELEASE")
        return result

    with connection.execute_wrapper(execute):
        yield
    assert committed, "nothing was committed"


def made(call: Call, place: Place, bearer: str, *, away: bool) -> Any:
    """Make a call and undo what it did, the database away from its commit on or not."""
    with undone():
        if call.prepare:
            call.prepare(place)
        url, content = call.url(place), call.content(place)
        with away_after_the_first_commit() if away else nullcontext():
            return send(bearer, call.method, url, content)


def test_every_write_tells_what_it_committed(catalogue: None) -> None:
    bearer, (place,) = access_token(operator()), settle("home")
    assert len(WRITES) > 30
    wrong = {}
    for call in WRITES:
        calm = made(call, place, bearer, away=False)
        assert calm.status_code == call.success, call.name
        answer = made(call, place, bearer, away=True)
        if (
            answer.status_code != calm.status_code
            or set(answer.headers) != set(calm.headers)
            or (calm.content and answer.json().keys() != calm.json().keys())
        ):
            wrong[call.name] = answer.status_code
    assert not wrong, f"{wrong}"


def test_a_create_that_waits_tells_what_it_committed(api: Api, catalogue: None) -> None:
    body = {"name": "web-1", "flavor": "m1.small", "image": "ubuntu-22.04"}
    with away_after_the_first_commit():
        answer = api.post("/vms", body, Prefer="wait=1")
    vm = VM.objects.get()
    assert (answer.status_code, answer.json()["id"]) == (202, str(vm.pk))
    assert answer.headers["Location"].endswith(f"/vms/{vm.pk}")
    assert answer.headers["Operation-Location"].endswith(str(vm.operation_id))


def test_a_browser_is_told_what_was_committed(api: Api, make_vm: MakeVM) -> None:
    vm = make_vm()
    with away_after_the_first_commit():
        answer = api.post(f"/vms/{vm.pk}/actions/stop", Accept="text/html")
    assert answer.status_code == 202
    assert "STOPPING" in answer.content.decode()
    assert answer.headers["Content-Type"].startswith("text/html")


def test_a_read_without_a_database_is_no_answer(api: Api, make_vm: MakeVM) -> None:
    path = f"/operations/{make_vm().operation_id}"

    def refuse(*_: Any) -> None:
        raise OperationalError("server closed the connection unexpectedly")

    for accept in ("text/html", "application/json"):
        with connection.execute_wrapper(refuse):
            answer = api.get(path, Accept=accept)
        assert answer.status_code == 503
        assert answer.headers["Retry-After"] == "5"
        assert "database-unavailable" in answer.content.decode()
