"""The README is true: its commands run as they stand, its tables match the code."""

import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests
import yaml

from compute.management.commands.lifecycle import lifecycle
from compute.management.commands.permissions import permissions
from tests.support import readme
from tests.support.deployed import eventually
from tests.support.fake_openstack import FLAVORS, Line, Stage
from tests.support.readme import BROKER, README, ROOT

REDIS_URL = os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0")


def test_the_lifecycle_is_that_of_the_code() -> None:
    shown = README.split("<!-- lifecycle -->")[1].split("<!-- /lifecycle -->")[0]
    assert shown.strip() == lifecycle(), "paste the output of manage.py lifecycle"


def test_the_permissions_are_those_of_the_code() -> None:
    shown = README.split("<!-- permissions -->")[1].split("<!-- /permissions -->")[0]
    assert shown.strip() == permissions(), "paste the output of manage.py permissions"


def test_every_file_it_points_to_exists() -> None:
    links = re.findall(r"\]\((?!http)([^)#]+)\)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_first_two_commands_are_the_whole_set_up() -> None:
    assert (readme.RUN.strip(), readme.TEST.strip()) == ("make run", "make test")
    # The second would run this test; it is run from a clean clone there:
    assert "\n  make test\n" in (ROOT / ".ci/run").read_text()


def test_every_setting_it_names_is_read() -> None:
    table = README.split("| variable | default |")[1].split("\n\n")[0]
    names = re.findall(r"`([A-Z_]{4,})`", table)
    source = "".join(path.read_text() for path in (ROOT / "vmmanager").glob("*.py"))
    assert len(names) > 8
    assert [name for name in names if f'"{name}"' not in source] == []


@pytest.mark.e2e
@pytest.mark.slow
def test_what_it_says_to_try_works_as_it_stands(tmp_path: Path) -> None:
    with readme.served(tmp_path) as (port, environment):
        lines = [*readme.TRY, readme.KEY, readme.LOGIN, readme.COPY]
        script = "\n".join(lines).replace("localhost:8000", f"127.0.0.1:{port}")
        said = readme.bash(script, environment)
    with sqlite3.connect(tmp_path / "backup.sqlite3") as copied:
        assert copied.execute("SELECT count(*) FROM compute_vm").fetchone()[0] > 10_000
    bodies = [
        '"name":"web-server-01"',
        '"count":1',
        '"status":"SHUTOFF"',
        '"flavor":"m1.medium"',
        '"status":"AVAILABLE"',
        '"labels":{"env":"prod"}',
        '"type":"vm.restore"',
        '"subnets":[{"id":',
        '"fixed_ip":"10.1.0.',
        '"code":"invalid-transition"',
        '"status":"DELETED"',
        '"code":"not-found"',
        "10000 VMs added",
        '"username":"admin","is_operator":false',
        '"role":"member"',
        '"token_type":"Bearer"',
    ]
    assert [body for body in bodies if body not in said] == []


@pytest.mark.e2e
@pytest.mark.slow
def test_events_are_followed_as_it_says(tmp_path: Path) -> None:
    with readme.served(tmp_path) as (port, environment):
        api = f"http://127.0.0.1:{port}/api/v1"
        projects = requests.get(f"{api}/projects?name=default", timeout=60).json()
        project = projects["results"][0]["id"]
        given = environment | {"H": api, "project": project}
        curl = readme.following(["bash", "-c", readme.FOLLOW], given, tmp_path / "curl")
        with (
            curl as told,
            readme.following(
                [sys.executable, "-c", readme.MIRROR, api, project],
                given,
                tmp_path / "mirror",
            ) as mirrored,
        ):
            eventually(
                lambda: "retry: 3000" in told.read_text(), what="the stream", log=told
            )
            body = {"name": "web", "flavor": "m1.small", "image": "debian-12"}
            headers = {"Prefer": "wait=20"}
            made = requests.post(f"{api}/vms", json=body, headers=headers, timeout=60)
            vm = f"{api}/vms/{made.json()['id']}"
            eventually(
                lambda: "event: vm.created" in told.read_text(), what="curl", log=told
            )
            eventually(
                lambda: "ACTIVE 1\n" in mirrored.read_text(),
                what="the mirror",
                log=mirrored,
            )
            assert requests.delete(vm, headers=headers, timeout=60).ok
            eventually(
                lambda: " None 0\n" in mirrored.read_text(),
                what="the end",
                log=mirrored,
            )


@pytest.mark.e2e
@pytest.mark.slow
def test_an_entry_of_clouds_yaml_is_shared_as_it_says(tmp_path: Path) -> None:
    stage = Stage()
    stage.admit("web", "db")
    stage.speak("GET", FLAVORS, Line(body={"flavors": []}))
    config = tmp_path / "clouds.yaml"
    entry = stage.cloud(password="secret")
    config.write_text(yaml.safe_dump({"clouds": {"prod": entry}}))
    environment = os.environ | {
        "DATA_DIR": str(tmp_path),
        "DATABASE_URL": f"sqlite:///{tmp_path / 'db.sqlite3'}",
        "CELERY_BROKER_URL": "",
        "DEBUG": "true",
        "OS_CLIENT_CONFIG_FILE": str(config),
    }
    readme.bash(".venv/bin/python manage.py migrate --verbosity 0", environment)
    said = readme.bash(readme.SHARED, environment)
    stage.close()
    assert said.startswith("System check identified no issues")
    with sqlite3.connect(tmp_path / "db.sqlite3") as database:
        rows = database.execute("SELECT name, clouds FROM compute_project")
        assert dict(rows) == {"default": None, "web": '["web"]', "db": '["db"]'}
    assert len(stage.sent("GET", FLAVORS)) == 2


@pytest.mark.e2e
@pytest.mark.slow
@pytest.mark.broker
def test_a_worker_and_a_beat_of_their_own_start(tmp_path: Path) -> None:
    export, *commands = BROKER.replace("redis://127.0.0.1:6379/0", REDIS_URL).split(
        "\n"
    )
    environment = os.environ | {
        "DATA_DIR": str(tmp_path),
        "DATABASE_URL": f"sqlite:///{tmp_path / 'db.sqlite3'}",
        # Into a file they would write when it is full, not as to a terminal.
        "PYTHONUNBUFFERED": "1",
    }
    for command, ready in zip(
        filter(None, commands), ("celery@", "is starting."), strict=True
    ):
        log = tmp_path / "process.log"
        with log.open("w") as output:
            process = subprocess.Popen(  # noqa: S602  # the README's own lines
                f"{export}; exec {command}",
                shell=True,
                cwd=ROOT,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                end = time.monotonic() + 60
                while ready not in log.read_text() and time.monotonic() < end:
                    assert process.poll() is None, log.read_text()
                    time.sleep(0.2)
                assert ready in log.read_text()
            finally:
                os.killpg(process.pid, signal.SIGTERM)
                process.wait(30)
