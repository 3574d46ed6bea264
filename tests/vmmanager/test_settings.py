"""What the settings make of the environment, each time in a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
# pragma: allowlist nextline secret
KEY = "k3Jq-9vW_x7Lr2Tz8Bn5Cd1Fg4Hm6Pw0Ys-Ea_Ui3Oo7Xt9Zv2Qk5"

pytestmark = pytest.mark.slow


def start(data_dir: Path, **env: str) -> "subprocess.CompletedProcess[str]":
    """Read the settings as a server does and print some of them."""
    code = """
import django, json
from django.conf import settings
django.setup()
print(json.dumps({name: getattr(settings, name, None) for name in (
    "DEBUG", "SECRET_KEY", "ALLOWED_HOSTS", "SESSION_COOKIE_SECURE", "LOG_FORMAT",
    "SECURE_SSL_REDIRECT", "SECURE_PROXY_SSL_HEADER", "DATABASES", "PROVIDERS",
    "DEFAULT_QUOTAS", "STORAGES", "CSRF_COOKIE_SECURE")}))
"""
    return run("-c", code, data_dir=data_dir, **env)


def manage(
    data_dir: Path, *words: str, **env: str
) -> "subprocess.CompletedProcess[str]":
    return run("manage.py", *words, data_dir=data_dir, **env)


def run(
    *arguments: str, data_dir: Path, **env: str
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(  # noqa: S603  # our own code
        [sys.executable, *arguments],
        cwd=ROOT,
        env={
            **{k: v for k, v in os.environ.items() if k.startswith("COVERAGE_")},
            "DATA_DIR": str(data_dir),
            "DJANGO_SETTINGS_MODULE": "vmmanager.settings",
            "PATH": os.environ["PATH"],
            **env,
        },
        capture_output=True,
        text=True,
        check=False,
    )


def read(data_dir: Path, **env: str) -> dict[str, Any]:
    done = start(data_dir, **env)
    assert done.returncode == 0, done.stderr
    settings: dict[str, Any] = json.loads(done.stdout)
    return settings


@pytest.mark.parametrize(
    ("env", "complaint"),
    [
        ({"ALLOWED_HOSTS": "vm.example.org"}, "SECRET_KEY must be set"),
        ({"ALLOWED_HOSTS": "vm.example.org", "SECRET_KEY": "x" * 60}, "SECRET_KEY"),
        ({"ALLOWED_HOSTS": "vm.example.org", "SECRET_KEY": KEY[:49]}, "SECRET_KEY"),
        ({"DEBUG": "true", "EVENT_RETENTION_DAYS": "29"}, "must be 0 or at least 30"),
        ({"DEBUG": "true", "EVENT_STREAM_DAYS": "0"}, "must be at least 1"),
        (
            # pragma: allowlist nextline secret
            {"ALLOWED_HOSTS": "vm.example.org", "SECRET_KEY": "django-insecure-" + KEY},
            "SECRET_KEY",
        ),
        ({"SECRET_KEY": KEY}, "ALLOWED_HOSTS must name"),
        ({"SECRET_KEY": KEY, "ALLOWED_HOSTS": "*"}, "ALLOWED_HOSTS must name"),
        ({"DEBUG": "true", "LOG_FORMAT": "xml"}, "LOG_FORMAT is console or json"),
        ({"DEBUG": "true", "LOG_LEVEL": "LOUD"}, "LOG_LEVEL is DEBUG, INFO"),
        ({"DEBUG": "true", "CLOUDS": "prod"}, "CLOUDS: 'prod' is not alias=url"),
        ({"DEBUG": "true", "RATE_LIMIT": "often"}, "RATE_LIMIT: 'often' is not a rate"),
        (
            {"DEBUG": "true", "DEFAULT_QUOTAS": "vms=1,disks=2"},
            "DEFAULT_QUOTAS: 'disks' is not one of vms, vcpus, ram_mb",
        ),
    ],
)
def test_the_service_refuses_to_start_in_one_clear_line(
    tmp_path: Path, env: dict[str, str], complaint: str
) -> None:
    done = start(tmp_path, **env)
    assert done.returncode != 0
    last_line = done.stderr.strip().splitlines()[-1]
    assert last_line.startswith("django.core.exceptions.ImproperlyConfigured")
    assert complaint in last_line


def test_a_command_refuses_in_one_line_and_nothing_else(tmp_path: Path) -> None:
    done = manage(tmp_path, "check", NUM_PROXIES="two")
    assert done.returncode == 1
    assert done.stderr == (
        "manage.py: NUM_PROXIES: 'two' is not a whole number, 0 or more\n"
    )
    done = manage(tmp_path, "check", "--traceback", NUM_PROXIES="two")
    assert done.stderr.startswith("Traceback")


@pytest.mark.parametrize(
    ("env", "complaint"),
    [
        ({"DATA_DIR": "/dev/null/var"}, "DATA_DIR cannot be created: "),
        ({"DATABASE_URL": "postgres://nobody@127.0.0.1:1/x"}, "onnection refused"),
    ],
)
def test_a_place_that_cannot_be_used_is_told_in_one_line(
    tmp_path: Path, env: dict[str, str], complaint: str
) -> None:
    done = manage(tmp_path, "migrate", **env)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("manage.py: ")
    assert complaint in line


def test_a_quota_of_what_is_no_resource_is_refused(tmp_path: Path) -> None:
    done = manage(tmp_path, "migrate", DEFAULT_QUOTAS="vms=1,disks=2")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(
        "manage.py: DEFAULT_QUOTAS: 'disks' is not one of vms, vcpus,"
    )


def test_quotas_are_read_as_they_are_documented(tmp_path: Path) -> None:
    row = next(
        line
        for line in (ROOT / "README.md").read_text().splitlines()
        if line.startswith("| `DEFAULT_QUOTAS`")
    )
    written = row.split("|")[2].strip(" `")
    default = read(tmp_path, DEBUG="true")["DEFAULT_QUOTAS"]
    assert (
        read(tmp_path, DEBUG="true", DEFAULT_QUOTAS=written)["DEFAULT_QUOTAS"]
        == default
    )
    assert default["vms"] == 10


def test_a_secret_key_may_begin_with_a_dollar(tmp_path: Path) -> None:
    settings = read(tmp_path, SECRET_KEY="$" + KEY, ALLOWED_HOSTS="vm.example.org")
    assert settings["SECRET_KEY"] == "$" + KEY


def test_production_is_the_default_and_closed(tmp_path: Path) -> None:
    settings = read(tmp_path, SECRET_KEY=KEY, ALLOWED_HOSTS="vm.example.org")
    assert settings["DEBUG"] is False
    assert settings["SECRET_KEY"] == KEY
    assert settings["ALLOWED_HOSTS"][0] == "vm.example.org"
    assert "*" not in settings["ALLOWED_HOSTS"]
    assert settings["SESSION_COOKIE_SECURE"] is True
    assert settings["CSRF_COOKIE_SECURE"] is True
    assert settings["SECURE_SSL_REDIRECT"] is True
    assert settings["SECURE_PROXY_SSL_HEADER"] is None
    assert settings["LOG_FORMAT"] == "json"
    assert "Manifest" in settings["STORAGES"]["staticfiles"]["BACKEND"]
    assert not (tmp_path / "secret_key").exists()


def test_development_keeps_its_key_over_restarts(tmp_path: Path) -> None:
    first = read(tmp_path, DEBUG="true")
    second = read(tmp_path, DEBUG="true")
    assert len(first["SECRET_KEY"]) >= 50
    assert first["SECRET_KEY"] == second["SECRET_KEY"]
    assert (tmp_path / "secret_key").stat().st_mode & 0o777 == 0o600
    assert first["SESSION_COOKIE_SECURE"] is False
    assert first["LOG_FORMAT"] == "console"


def test_all_state_is_in_the_data_directory_which_is_made(tmp_path: Path) -> None:
    data_dir = tmp_path / "deep" / "down"
    settings = read(data_dir, DEBUG="true")
    assert settings["DATABASES"]["default"]["NAME"] == str(data_dir / "db.sqlite3")
    assert settings["PROVIDERS"]["default"]["OPTIONS"]["path"] == str(
        data_dir / "mock-default.sqlite3"
    )


def test_plans_are_kept_unless_that_is_turned_off(tmp_path: Path) -> None:
    for env, threshold in (({}, 5), ({"DATABASE_PREPARE": "false"}, None)):
        settings = read(
            tmp_path, DEBUG="true", DATABASE_URL="postgres://u:p@h/d", **env
        )
        options = settings["DATABASES"]["default"]["OPTIONS"]
        assert options["prepare_threshold"] == threshold


def test_sqlite_waits_for_its_turn_to_write(tmp_path: Path) -> None:
    options = read(tmp_path, DEBUG="true")["DATABASES"]["default"]["OPTIONS"]
    assert options["transaction_mode"] == "IMMEDIATE"
    assert options["timeout"] == 20
    assert "journal_mode=WAL" in options["init_command"]


POSTGRES = "postgres://somebody@db.example.org:5433/vms?sslmode=require"


def test_postgresql_has_a_pool_of_connections(tmp_path: Path) -> None:
    settings = read(
        tmp_path, DEBUG="true", DATABASE_URL=POSTGRES, DATABASE_POOL_SIZE="7"
    )
    database = settings["DATABASES"]["default"]
    assert database["ENGINE"] == "vmmanager.postgresql"
    assert (database["HOST"], database["PORT"]) == ("db.example.org", 5433)
    assert database["OPTIONS"]["sslmode"] == "require"
    assert database["OPTIONS"]["pool"]["max_size"] == 7
    assert database["CONN_MAX_AGE"] == 0


def test_without_a_pool_postgresql_checks_the_connections_it_keeps(
    tmp_path: Path,
) -> None:
    settings = read(
        tmp_path,
        DEBUG="true",
        DATABASE_URL=POSTGRES,
        DATABASE_POOL_SIZE="0",
        CONN_MAX_AGE="60",
    )
    database = settings["DATABASES"]["default"]
    assert database["ENGINE"] == "django.db.backends.postgresql"
    assert "pool" not in database["OPTIONS"]
    assert database["CONN_HEALTH_CHECKS"] is True
    assert database["CONN_MAX_AGE"] == 60


def test_the_first_cloud_is_the_default_one(tmp_path: Path) -> None:
    settings = read(
        tmp_path, DEBUG="true", CLOUDS="lab=mock://?delay=0,prod=openstack://mycloud"
    )
    assert next(iter(settings["PROVIDERS"])) == "lab"


def test_the_forwarded_scheme_is_trusted_only_on_request(tmp_path: Path) -> None:
    settings = read(tmp_path, DEBUG="true", TRUST_PROXY_HEADERS="true")
    assert settings["SECURE_PROXY_SSL_HEADER"] == ["HTTP_X_FORWARDED_PROTO", "https"]
