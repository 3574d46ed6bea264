"""Development mode is for who sits at the machine; its files are for nobody else."""

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from compute.models import Project
from compute.peers import is_own_process
from tests.support import readme
from tests.support.api import operator, problem
from tests.support.readme import ROOT

LOCAL: dict[str, Any] = {
    "REMOTE_ADDR": "127.0.0.1",
    "HTTP_HOST": "localhost:8000",
    "SERVER_PORT": "8000",
}
ME = "/api/v1/auth/me"

pytestmark = pytest.mark.once


@pytest.fixture
def developing(settings: Settings, project: Project) -> None:
    settings.DEBUG = True
    operator()


@pytest.mark.usefixtures("developing")
def test_who_sits_at_the_machine_needs_no_token() -> None:
    assert Client().get(ME, **LOCAL).status_code == 200
    assert (
        Client().get(ME, **{**LOCAL, "HTTP_HOST": "127.0.0.1:8000"}).status_code == 200
    )


@pytest.mark.usefixtures("developing")
@pytest.mark.parametrize(
    "changed",
    [
        {"HTTP_HOST": "localhost"},  # what a tunnel presents that knows no port
        {"HTTP_HOST": "localhost:9000"},
        {"HTTP_HOST": "vm.example.org:8000"},
        {"HTTP_X_FORWARDED_HOST": "vm.example.org"},
        {"HTTP_X_FORWARDED_PROTO": "https"},
        {"HTTP_VIA": "1.1 proxy"},
        {"HTTP_CF_CONNECTING_IP": "192.0.2.7"},
        {"HTTP_CDN_LOOP": "cloudflare"},
        {"HTTP_NGROK_TRACE_ID": "x"},
        {"HTTP_TRUE_CLIENT_IP": "192.0.2.7"},
        {"HTTP_X_ORIGINAL_HOST": "vm.example.org"},
        {"HTTP_TAILSCALE_USER_LOGIN": "x"},
    ],
)
def test_a_tunnel_is_nobody(settings: Settings, changed: dict[str, Any]) -> None:
    settings.ALLOWED_HOSTS = ["*"]
    problem(Client().get(ME, **{**LOCAL, **changed}), 401, "unauthenticated")


# Pages of somebody else


@pytest.mark.usefixtures("developing")
@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "null",
        "",
        "http://localhost:3000",
        "http://localhost",
        "https://localhost:8000.evil.example",
        "http://localhost:8000@evil.example",
    ],
)
def test_a_page_of_another_origin_writes_nothing(origin: str) -> None:
    answer = Client().post(
        "/api/v1/projects",
        {"name": "x"},
        "application/json",
        **{**LOCAL, "HTTP_ORIGIN": origin},
    )
    problem(answer, 403, "permission-denied")
    assert not Project.objects.filter(name="x").exists()


@pytest.mark.usefixtures("developing")
@pytest.mark.parametrize(
    "origin",
    [
        "http://localhost:8000",
        "https://LOCALHOST:8000",
        "https://console.example.org",
        "https://a.b.example.net",
    ],
)
def test_a_page_of_ours_writes(settings: Settings, origin: str) -> None:
    settings.CSRF_TRUSTED_ORIGINS = [
        "https://console.example.org",
        "https://*.example.net",
    ]
    answer = Client().post(
        "/api/v1/projects",
        {"name": "x"},
        "application/json",
        **{**LOCAL, "HTTP_ORIGIN": origin},
    )
    assert answer.status_code == 201


@pytest.mark.usefixtures("developing")
def test_an_origin_on_the_standard_port_has_none() -> None:
    for host, port, origin in (
        ("localhost", "80", "http://localhost"),
        ("localhost:443", "443", "https://localhost"),
    ):
        answer = Client().post(
            "/api/v1/auth/tokens/revoke",
            {"refresh": "x"},
            "application/json",
            HTTP_HOST=host,
            SERVER_PORT=port,
            HTTP_ORIGIN=origin,
        )
        assert answer.status_code == 204


# Files


def modes(folder: Path) -> dict[str, int]:
    return {
        path.name: stat.S_IMODE(path.stat().st_mode)
        for path in [folder, *folder.iterdir()]
    }


def manage(
    data_dir: Path, *words: str, **env: str
) -> "subprocess.CompletedProcess[str]":
    # Root would write anywhere: it is run without its powers.
    powerless = ["setpriv", "--bounding-set=-all"] if os.geteuid() == 0 else []
    return subprocess.run(  # noqa: S603  # our own command
        [*powerless, sys.executable, "manage.py", *words],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "DATA_DIR": str(data_dir), **env},
        capture_output=True,
        text=True,
        check=False,
        umask=0o000,
    )


def test_a_loose_folder_of_ours_is_closed(tmp_path: Path) -> None:
    folder = tmp_path / "var"
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    for name in ("db.sqlite3", "mock-default.sqlite3"):
        (folder / name).touch(mode=0o666)
    (folder / "secret_key").write_text("x" * 50)
    assert manage(folder, "check").returncode == 0
    found = modes(folder)
    assert found.pop("var") == 0o700
    assert set(found.values()) == {0o600}, found


def test_a_folder_of_other_things_stays_as_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "home"
    folder.mkdir()
    folder.chmod(0o755)
    (folder / "letter").touch()
    (folder / "letter").chmod(0o644)
    assert manage(folder, "check").returncode == 0
    assert modes(folder)["home"] == 0o755
    assert modes(folder)["letter"] == 0o644


@pytest.mark.parametrize("kept", [(), ("secret_key", "db.sqlite3")])
def test_a_read_only_folder_is_one_line(tmp_path: Path, kept: tuple[str, ...]) -> None:
    folder = tmp_path / "var"
    folder.mkdir()
    for name in kept:
        (folder / name).write_text("x" * 50 if name == "secret_key" else "")
    (folder / "letter").touch()
    folder.chmod(0o500)
    done = manage(folder, "check")
    folder.chmod(0o700)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    noun = "The folder of the database" if kept else "DATA_DIR"
    assert line.startswith(f"manage.py: {noun} cannot be written to: ")


# The kernel's word


def test_a_socket_that_is_not_there_is_nobodys() -> None:
    nowhere = is_own_process(("127.0.0.1", 1), ("127.0.0.1", 2))
    assert nowhere is None


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Path]]:
    folder = tmp_path_factory.mktemp("run") / "var"
    folder.mkdir()
    with readme.served(folder) as (port, _):
        yield port, folder


def curl(port: int, path: str, *words: str, user: int | None = None) -> str:
    """Return the status of an answer, or nothing where there was none."""
    url = f"http://127.0.0.1:{port}{path}"
    told = ["--path-as-is", "-w", "%{http_code}", *words, url]
    answer: Any = subprocess.run(  # noqa: S603  # our own words
        ["curl", "-s", "-o", "/dev/null", *told],  # noqa: S607
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        user=user,
    )
    return str(answer.stdout)


@pytest.mark.e2e
@pytest.mark.slow
@pytest.mark.xdist_group("make run")
class TestMakeRun:
    """What `make run` serves, asked as people and tunnels do."""

    def test_its_files_are_for_its_owner(self, served: tuple[int, Path]) -> None:
        _, folder = served
        found = modes(folder)
        assert found.pop("var") == 0o700
        del found["run.log"]  # the test's own
        assert len(found) >= 6
        assert set(found.values()) == {0o600}, found

    def test_its_own_user_is_the_demo_administrator(
        self, served: tuple[int, Path]
    ) -> None:
        port, _ = served
        assert curl(port, ME) == "200"
        assert curl(port, ME, "-H", "Host: localhost") == "401"
        assert curl(port, ME, "-H", f"Host: localhost:{port}") == "200"
        assert curl(port, ME, "-H", "X-Forwarded-For: 192.0.2.7") == "401"

    @pytest.mark.skipif(
        os.geteuid() != 0 or not Path("/proc/net/tcp").exists(),
        reason="takes root to be somebody else, and Linux to tell",
    )
    def test_another_user_of_the_machine_is_not(self, served: tuple[int, Path]) -> None:
        port, _ = served
        assert curl(port, ME, user=65534) == "401"
        assert curl(port, "/health", user=65534) == "200"

    def test_no_path_leads_out_of_the_static_files(
        self, served: tuple[int, Path]
    ) -> None:
        port, _ = served
        for path in ("..%2f..", "../..", "%2e%2e/manage.py", "..%5c..", "/etc/passwd"):
            assert curl(port, f"/static/{path}") == "404", path
        assert curl(port, "/static/compute/admin.css") == "200"
