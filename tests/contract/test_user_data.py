"""User data reaches the server byte for byte, up to what Nova takes."""

import gzip
from base64 import b64encode, encodebytes
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from typing import Any

import pytest

from compute.errors import ValidationError
from compute.limits import MAX_USER_DATA
from compute.models import VM, Project
from compute.services import vms
from providers.mock import MockCloud
from tests.conftest import ALICE, Drain
from tests.support.api import Api, errors
from tests.support.console import Operator

NEW = {"name": "web", "flavor": "m1.small", "image": "cirros"}
SCRIPT = "#!/bin/sh\necho ünïcödé\n"


def multi_part() -> bytes:
    parts = MIMEMultipart()
    parts.attach(MIMEText("#cloud-config\n", "cloud-config"))
    parts.attach(MIMEText(SCRIPT, "x-shellscript"))
    return parts.as_bytes()


PAYLOADS = {
    "gzip": gzip.compress(SCRIPT.encode(), mtime=0),
    "MIME": multi_part(),
    "CRLF": b"#cloud-config\r\nhostname: a\r\n",
    "any byte": bytes(range(256)),
}
payloads = pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS)


@pytest.fixture
def api(project: Project) -> Api:
    return Api()


def received(cloud: MockCloud) -> bytes:
    return cloud.controls.user_data(VM.objects.latest("created_at").server_id)


@payloads
@pytest.mark.parametrize("write", [b64encode, encodebytes])
def test_base64_arrives_as_what_it_encodes(
    api: Api,
    catalogue: None,
    cloud: MockCloud,
    drain: Drain,
    payload: bytes,
    write: Any,
) -> None:
    sent = {"user_data": write(payload).decode(), "user_data_encoding": "base64"}
    answer = api.post("/vms", NEW | sent)
    assert answer.status_code == 202
    assert not {"user_data", "user_data_encoding"} & answer.json().keys()
    drain()
    assert received(cloud) == payload


@pytest.mark.parametrize("encoding", [{}, {"user_data_encoding": "plain"}])
def test_plain_text_is_the_default(
    api: Api,
    catalogue: None,
    cloud: MockCloud,
    drain: Drain,
    encoding: dict[str, str],
) -> None:
    api.post("/vms", NEW | {"user_data": SCRIPT} | encoding)
    drain()
    assert received(cloud) == SCRIPT.encode()


def plain(data: bytes) -> dict[str, str]:
    return {"user_data": data.decode()}


def base64(data: bytes) -> dict[str, str]:
    return {
        "user_data": encodebytes(data).decode(),
        "user_data_encoding": "base64",
    }


@pytest.mark.parametrize("write", [plain, base64])
def test_as_much_is_taken_as_nova_takes(
    api: Api, catalogue: None, cloud: MockCloud, drain: Drain, write: Any
) -> None:
    most = b"x" * MAX_USER_DATA
    assert len(b64encode(most)) <= 65_535 < len(b64encode(most + b"x"))
    answer = api.post("/vms", NEW | write(most + b"x"))
    assert errors(answer) == [("#/user_data", "max_length")]
    api.post("/vms", NEW | write(most))
    drain()
    assert VM.objects.get().status == "ACTIVE"
    assert received(cloud) == most


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ({"user_data": "Zg"}, ("#/user_data", "invalid")),
        ({"user_data": "Zg==Zg=="}, ("#/user_data", "invalid")),
        ({"user_data": "_-=="}, ("#/user_data", "invalid")),
        ({"user_data": "#cloud-config"}, ("#/user_data", "invalid")),
        ({"user_data": "é"}, ("#/user_data", "invalid")),
        ({"user_data": 7}, ("#/user_data", "invalid")),
        ({"user_data": "A" * 250_000}, ("#/user_data", "max_length")),
        (
            {"user_data_encoding": "gzip"},
            ("#/user_data_encoding", "invalid_choice"),
        ),
        ({"user_data_encoding": 64}, ("#/user_data_encoding", "invalid_choice")),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_is_not_base64_is_refused_at_once(
    api: Api, catalogue: None, sent: dict[str, Any], expected: tuple[str, str]
) -> None:
    body = NEW | {"user_data_encoding": "base64"} | sent
    assert errors(api.post("/vms", body)) == [expected]
    assert not VM.objects.exists()


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({"user_data": "a\0b"}, "user_data"),
        ({"user_data": "a\ud800"}, "user_data"),
        ({"user_data": "Zg==\0", "user_data_encoding": "base64"}, "user_data"),
        ({"user_data": 7}, "user_data"),
        ({"user_data": None}, "user_data"),
        ({"user_data_encoding": "gzip"}, "user_data_encoding"),
        ({"user_data_encoding": 64}, "user_data_encoding"),
    ],
    ids=repr,
)
def test_the_service_refuses_what_its_doors_do(
    catalogue: None, project: Project, sent: dict[str, Any], field: str
) -> None:
    asked: dict[str, Any] = NEW | sent
    with pytest.raises(ValidationError) as refused:
        vms.create(project=project, actor=ALICE, **asked)
    (row,) = refused.value.members["errors"]
    assert row["pointer"] == f"#/{field}"
    assert not VM.objects.exists()


def test_the_console_takes_both(
    catalogue: None,
    project: Project,
    cloud: MockCloud,
    drain: Drain,
    admin_user: Any,
) -> None:
    operator = Operator(admin_user)
    form = NEW | {"cloud": "default", "project": project.name}
    operator.post("compute/vm/add/", **form, user_data=SCRIPT)
    drain()
    assert received(cloud) == SCRIPT.encode()
    encoded = base64(PAYLOADS["gzip"])
    operator.post("compute/vm/add/", **form, **encoded)
    drain()
    assert received(cloud) == PAYLOADS["gzip"]
    page = operator.client.post(
        "/admin/compute/vm/add/", {**form, **encoded, "user_data": "Zg"}
    )
    assert "Not valid as base64" in page.content.decode()
