"""What is secret stays so: a canary in every secret, and no trace of it in what is told."""

import io
import logging.config
from collections.abc import Callable, Iterator
from typing import Any

import orjson
import pytest
from django.core.management import call_command
from django.test import Client
from pytest_django import Settings

from compute.models import (
    VM,
    APIToken,
    Event,
    Login,
    Operation,
    Project,
    User,
)
from providers.mock import MockCloud
from tests.conftest import Drain
from tests.support.api import Api, as_user
from tests.support.factories import MembershipFactory, UserFactory
from vmmanager.logs import configure

CANARY = "Kanarienvogel-4711"
#: Base64 of it, wherever it may begin: how Nova takes user_data.
ENCODED = (
    "S2FuYXJpZW52b2dlbC00NzEx",
    "thbmFyaWVudm9nZWwtNDcxM",
    "LYW5hcmllbnZvZ2VsLTQ3MT",
)

Told = Callable[[], str]


@pytest.fixture
def told(settings: Settings) -> Iterator[Told]:
    """All that is logged at DEBUG, as production writes it."""
    settings.DEBUG = False
    output = io.StringIO()
    before = logging.root.handlers[:], logging.root.level
    config = configure(level="DEBUG", log_format="json")
    config["handlers"]["console"]["stream"] = output
    logging.config.dictConfig(config)
    yield output.getvalue
    logging.root.handlers[:], level = before
    logging.root.setLevel(level)
    configure(level=settings.LOG_LEVEL, log_format=settings.LOG_FORMAT)
    logging.config.dictConfig(settings.LOGGING)


def shown(rows: Any) -> str:
    return "".join(f"{row!r} {row} {row.__dict__}" for row in rows)


def test_no_secret_leaves_a_trace(
    told: Told,
    project: Project,
    catalogue: None,
    cloud: MockCloud,
    drain: Drain,
    capsys: pytest.CaptureFixture[str],
) -> None:
    carol = UserFactory.create(username="carol")
    carol.set_password(CANARY)
    carol.save()
    MembershipFactory.create(user=carol, role="admin")
    answers = []

    def say(answer: Any) -> Any:
        answers.append(answer)
        return answer

    # Passwords: right, wrong, of nobody, instead of a name, of a body that is broken.
    nobody = Api("")
    tokens = nobody.post(
        "/auth/tokens", {"username": "carol", "password": CANARY}
    ).json()
    for body in (
        {"username": "carol", "password": f"{CANARY}x"},
        {"username": "nobody", "password": CANARY},
        {"username": CANARY, "password": "x"},
        {"username": "carol", "password": CANARY, "more": 1},
        {"username": 7, "password": CANARY},
    ):
        say(nobody.post("/auth/tokens", body))
    say(Client().post("/admin/login/", {"username": "carol", "password": CANARY + "x"}))
    # user_data: taken, refused, failed at, and after a crash.
    new = {"name": "x", "flavor": "m1.small", "image": "cirros", "user_data": CANARY}
    api = as_user(carol)
    say(api.post("/vms", new, Idempotency_Key="k"))
    drain()
    for kind in (
        {"kind": "fail", "status": 403},
        {"kind": "build_error", "message": "no"},
    ):
        cloud.controls.inject("servers.create", **kind)
        say(api.post("/vms", new))
        drain()
    say(api.post("/vms", {**new, "flavor": "m1.none"}))
    say(api.post("/vms", {**new, "user_data": CANARY * 10_000}))
    say(api.post("/vms", {**new, "user_data": [CANARY]}))
    say(api.call("POST", "/vms", [CANARY]))
    # API tokens: shown once, then wrong by a letter, then revoked.
    made = api.post("/api-tokens", {"name": "ci"}).json()
    secret = made["token"]
    say(Api(secret).get("/vms"))
    say(Api(f"{secret}x").get("/vms"))
    say(api.delete(f"/api-tokens/{made['id']}"))
    say(Api(secret).get("/vms"))
    say(nobody.post("/auth/tokens/refresh", {"refresh": tokens["refresh"] + "x"}))
    say(nobody.post("/auth/tokens/revoke", {"refresh": tokens["refresh"]}))
    say(Api(tokens["access"]).get("/vms"))
    call_command("createtoken", "--user", "carol")
    printed = capsys.readouterr().out.strip()

    texts = {
        "logs": told(),
        "answers": "".join(f"{a.content.decode()} {dict(a.headers)}" for a in answers),
        "events": shown(Event.objects.all()),
        "operations": shown(Operation.objects.all()),
        "logins": shown(Login.objects.all()),
        "tokens": shown(APIToken.objects.all()),
        "reprs": "".join(f"{vm!r} {vm}" for vm in VM.objects.all())
        + "".join(f"{user!r} {user}" for user in User.objects.all()),
    }
    assert "request" in texts["logs"]
    found = [
        (place, what)
        for place, text in texts.items()
        for what in (
            CANARY,
            *ENCODED,
            secret,
            printed,
            secret.removeprefix("osl_")[8:],
            *tokens["access"].split(".")[1:],
            *tokens["refresh"].split(".")[1:],
        )
        if what in text
    ]
    assert found == []
    # It was there to be found: the cloud got it.
    built = VM.objects.filter(status="ACTIVE").get()
    assert cloud.controls.user_data(built.server_id) == CANARY.encode()
    # And here it is no more.
    assert set(VM.objects.values_list("user_data", flat=True)) == {""}
    assert orjson.loads(texts["logs"].splitlines()[0])["level"]
