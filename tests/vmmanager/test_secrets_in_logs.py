"""No password, token or user_data is in a log line, however much is logged."""

import base64
import io
import logging
import logging.config
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog
import yaml
from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from compute.models import VM
from providers.contract.servers import ServerSpec
from providers.mock import MockCloud
from providers.mock.world.records import NewServer
from providers.openstack import OpenStackCloud
from tests.support.api import operator
from tests.support.factories import VMFactory
from tests.support.fake_openstack import Line, Stage
from vmmanager.logs import configure

CANARY = "canary-7f3a9c"
TOKEN = "secret-token"  # the stage's
ENCODED = base64.b64encode(CANARY.encode()).decode()


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What is written with LOG_LEVEL=DEBUG."""
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    logging.config.dictConfig(configure(level="DEBUG", log_format="json"))
    yield stream
    logging.config.dictConfig(
        configure(level=settings.LOG_LEVEL, log_format=settings.LOG_FORMAT)
    )


def secrets_in(log: io.StringIO) -> list[str]:
    structlog.get_logger("ours").debug("everything is logged")
    assert "everything is logged" in log.getvalue()
    return [word for word in (CANARY, ENCODED, TOKEN) if word in log.getvalue()]


@pytest.fixture
def stage() -> Iterator[Stage]:
    stage = Stage()
    yield stage
    stage.close()


@pytest.mark.django_db
def test_the_parameters_of_sql_are_not_logged(log: io.StringIO) -> None:
    # As with DEBUG=true, where Django writes down every query.
    with CaptureQueriesContext(connection) as queries:
        VMFactory.create(user_data=CANARY)
    assert any(CANARY in query["sql"] for query in queries)
    assert secrets_in(log) == []


@pytest.mark.usefixtures("catalogue")
def test_the_work_of_a_request_does_not_log_its_body(
    log: io.StringIO,
    client: Client,
    cloud: MockCloud,
    drain: Callable[[], None],
) -> None:
    body = {"name": "web", "flavor": "m1.small", "image": "ubuntu-22.04"}
    client.force_login(operator())
    with CaptureQueriesContext(connection):
        response = client.post(
            "/api/v1/vms", body | {"user_data": CANARY}, content_type="application/json"
        )
        assert response.status_code == 202
        drain()
    assert cloud.controls.user_data(VM.objects.get().server_id) == CANARY.encode()
    assert secrets_in(log) == []


def test_nothing_that_is_sent_to_a_cloud_or_comes_from_it_is_logged(
    log: io.StringIO, stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clouds = {"clouds": {"stage": stage.cloud(password=CANARY)}}
    (tmp_path / "clouds.yaml").write_text(yaml.safe_dump(clouds))
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(tmp_path / "clouds.yaml"))
    network = {
        "id": "n",
        "name": "private",
        "project_id": "ours",
        "shared": False,
        "router:external": False,
    }
    stage.speak("GET", "/network/v2.0/networks", Line(body={"networks": [network]}))
    created = {"id": "new", "adminPass": CANARY}
    stage.speak("POST", "/compute/v2.1/servers", Line(202, {"server": created}))
    spec = ServerSpec("web", "1", "i", "vm-1", user_data=CANARY.encode())
    OpenStackCloud(cloud="stage").servers.create(spec, request_id="req-1")
    (login,) = stage.sent("POST", "/v3/auth/tokens")
    assert CANARY in str(login.body)
    (create,) = stage.sent("POST", "/compute/v2.1/servers")
    assert create.body["server"]["user_data"] == ENCODED
    assert secrets_in(log) == []


@pytest.mark.usefixtures("log")
@pytest.mark.parametrize(
    "name", ["django.db.backends.schema", "keystoneauth.session", "openstack.config"]
)
def test_what_speaks_to_others_says_only_what_went_wrong(name: str) -> None:
    assert not logging.getLogger(name).isEnabledFor(logging.INFO)
    assert logging.getLogger(name).isEnabledFor(logging.WARNING)


def test_user_data_is_in_no_repr() -> None:
    vm = VM(name="web", user_data=CANARY)
    spec = ServerSpec("web", "1", "i", "vm-1", user_data=CANARY.encode())
    server = NewServer("1", "web", created_at=0, plan=(), user_data=CANARY.encode())
    assert CANARY not in f"{vm} {vm!r} {spec} {spec!r} {server!r}"
