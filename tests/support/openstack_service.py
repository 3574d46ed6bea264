"""The service over a real cloud, as processes, and a client that speaks HTTP to it."""

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from os import environ
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import urlsplit

import requests

from tests.support.deployed import (
    HOST,
    OPERATOR,
    PASSWORD,
    Stack,
    collect_static,
    deployed,
    environment,
    eventually,
    new_database,
    new_redis,
    new_virtual_host,
)

Json = dict[str, Any]
Broker = Literal["redis", "rabbitmq"]

#: The longest a request may wait for its operation.
WAIT = "wait=30"
#: What no log shows, whatever the cloud does: an exception that nobody expected.
_TROUBLE = re.compile(r'"exception":|Traceback')


@dataclass(frozen=True, slots=True)
class Ended:
    """What a write that waited for its operation came to."""

    answer: requests.Response
    body: Json
    operation: Json


class Service:
    """A client of the service, who comes through a proxy that speaks HTTPS."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.session = requests.Session()
        self.session.headers.update({"Host": HOST, "X-Forwarded-Proto": "https"})
        self.bearer = {"Authorization": f"Bearer {stack.token}"}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.session.close()

    def ask(self, method: str, path: str, **options: Any) -> requests.Response:
        url = f"http://127.0.0.1:{self.stack.api_port}{path}"
        return self.session.request(
            method, url, timeout=60, allow_redirects=False, **options
        )

    def call(
        self, method: str, path: str, body: Json | None = None, *, prefer: str = WAIT
    ) -> requests.Response:
        headers = {"Prefer": prefer, **self.bearer} if prefer else self.bearer
        return self.ask(method, f"/api/v1{path}", json=body, headers=headers)

    def get(self, path: str) -> Json:
        answer = self.call("GET", path, prefer="")
        assert answer.status_code == 200, answer.text
        return _object(answer)

    def images(self) -> list[Json]:
        found: list[Json] = self.get("/images?per_page=100")["results"]
        return found

    def write(self, method: str, path: str, body: Json | None = None) -> Ended:
        """Send a write and wait; return what it and its operation came to."""
        answer = self.call(method, path, body)
        assert answer.status_code != 202, f"not within {WAIT}: {answer.text}"
        assert "Operation-Location" in answer.headers, answer.text
        return Ended(answer, _object(answer), self.operation_of(answer))

    def done(self, method: str, path: str, body: Json | None = None) -> Ended:
        """Send a write that must succeed."""
        ended = self.write(method, path, body)
        assert ended.answer.status_code in (200, 201), ended.body
        assert ended.answer.headers["Preference-Applied"] == WAIT
        operation = ended.operation
        assert (operation["status"], operation["error"]) == ("SUCCEEDED", None)
        return ended

    def operation_of(self, answer: requests.Response) -> Json:
        """Return the operation an answer names, once it has ended."""
        place = urlsplit(answer.headers["Operation-Location"]).path
        waited = self.ask("GET", place, headers={"Prefer": WAIT, **self.bearer})
        assert waited.status_code == 200, waited.text
        return _object(waited)

    def page(self, method: str, path: str, **form: str) -> requests.Response:
        """Open a page of the console, cookies for HTTPS included."""
        jar = self.session.cookies.get_dict()
        headers = {
            "Cookie": "; ".join(f"{name}={value}" for name, value in jar.items()),
            "Referer": f"https://{HOST}{path}",
        }
        return self.ask(method, path, data=form, headers=headers)

    def log_in(self) -> None:
        """Enter the console as the operator."""
        login = "/admin/login/"
        page = self.page("GET", login).text
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
        assert token, page
        entered = self.page(
            "POST",
            login,
            username=OPERATOR,
            password=PASSWORD,
            csrfmiddlewaretoken=token[1],
        )
        assert entered.status_code == 302, entered.text


def _object(answer: requests.Response) -> Json:
    document: Json = answer.json()
    return document


@contextmanager
def serving(
    folder: Path, *, clouds: str, broker: Broker = "redis", **settings: str
) -> Iterator[Service]:
    """Run the services of compose.yaml over ``clouds`` for the time of the block."""
    for name in ("redis", "env", "build", "logs"):
        (folder / name).mkdir()
    with ExitStack() as needs:
        database_url = needs.enter_context(new_database())
        redis_url = needs.enter_context(new_redis(folder / "redis"))
        env = environment(
            folder / "env",
            database_url=database_url,
            redis_url=redis_url,
            clouds=clouds,
        )
        if broker == "rabbitmq":
            env["CELERY_BROKER_URL"] = needs.enter_context(new_virtual_host())
        # Where clouds.yaml is.
        env |= {"HOME": environ["HOME"], **settings}
        env |= {k: v for k, v in environ.items() if k.startswith("OS_")}
        collect_static(env, folder / "build")
        stack = needs.enter_context(deployed(env, folder / "logs"))
        service = needs.enter_context(Service(stack))
        aliases = {cloud.partition("=")[0] for cloud in clouds.split(",")}
        eventually(
            lambda: aliases <= {image["cloud"] for image in service.images()},
            what="catalogue",
            log=folder / "logs" / "worker.log",
        )
        yield service
        for name in ("api", "worker", "beat"):
            told = stack.log(name).splitlines()
            assert not [line for line in told if _TROUBLE.search(line)], name
