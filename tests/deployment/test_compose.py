"""What compose.yaml and .env.example say, before anything is started."""

import ast
import re
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.support.deployed import COMPOSE, ROOT, composed
from tests.support.readme import README

pytestmark = pytest.mark.once

SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = ("migrate", "api", "stream", "worker", "beat")
REQUIRED = (
    "SECRET_KEY",
    "ALLOWED_HOSTS",
    "POSTGRES_PASSWORD",
    "POSTGRES_OWNER_PASSWORD",
    "TLS_CERTIFICATE",
    "TLS_KEY",
)
#: Of compose.yaml itself, not of the service.
FOR_COMPOSE = {
    "CLOUDS_YAML",
    "HTTP_PORT",
    "HTTPS_PORT",
    "WORKER_STOP_GRACE_PERIOD",
    *REQUIRED[2:],
}
#: The image or compose.yaml decide.
FIXED = {
    "DEBUG",
    "DATA_DIR",
    "STATIC_ROOT",
    "CONN_MAX_AGE",
    "DATABASE_POOL_SIZE",
    "DATABASE_PREPARE",
    "STREAMS_ONLY",
}
#: Where the services are: compose.yaml knows.
WIRED = {"DATABASE_URL", "CELERY_BROKER_URL", "CACHE_URL"}
TEXT = (ROOT / "compose.yaml").read_text()
EXAMPLE = (ROOT / ".env.example").read_text()


def settings_read() -> set[str]:
    """Return the names of all variables that the settings ask for."""
    return {
        call.args[0].value
        for file in (ROOT / "vmmanager").glob("*.py")
        for call in ast.walk(ast.parse(file.read_text()))
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and isinstance(call.func.value, ast.Name)
        and call.func.value.id == "env"
        and call.args
        and isinstance(call.args[0], ast.Constant)
        and isinstance(call.args[0].value, str)
    }


def test_services_find_each_other_by_the_names_of_compose() -> None:
    given = dict.fromkeys(REQUIRED, "x")
    worker, migrate = composed(given), composed(given, "migrate")
    assert worker["DATABASE_URL"] == "postgres://vmmanager:x@postgres:5432/vmmanager"
    assert urlsplit(migrate["DATABASE_URL"]).username == "vmmanager_owner"
    assert urlsplit(worker["CELERY_BROKER_URL"]).hostname == "redis"
    assert urlsplit(worker["CACHE_URL"]).hostname == "redis"


def test_every_service_of_ours_is_known_here() -> None:
    image = COMPOSE["x-service"]["image"]
    assert {name for name, it in SERVICES.items() if it["image"] == image} == set(OURS)


def test_one_service_builds_the_image_and_none_pulls_it() -> None:
    assert [name for name in SERVICES if "build" in SERVICES[name]] == ["migrate"]
    assert all(SERVICES[name]["pull_policy"] == "never" for name in OURS)


@pytest.mark.parametrize("service", OURS)
def test_every_setting_reaches_every_service(service: str) -> None:
    assert set(SERVICES[service]["environment"]) >= settings_read() - FIXED


def test_no_setting_is_passed_on_that_nobody_reads() -> None:
    given = set(COMPOSE["x-service"]["environment"])
    of_the_c_library = {name for name in given if name.startswith("MALLOC_")}
    assert given - of_the_c_library <= settings_read()


def test_what_is_not_set_is_left_to_the_settings() -> None:
    required = dict.fromkeys(REQUIRED, "x")
    assert "RATE_LIMIT" not in composed(required)
    given = composed({**required, "RATE_LIMIT": "7/60 second", "DEFAULT_QUOTAS": ""})
    assert given["RATE_LIMIT"] == "7/60 second"
    assert given["DEFAULT_QUOTAS"] == ""


def test_the_example_lists_every_setting_and_nothing_else() -> None:
    listed = re.findall(r"^#?([A-Z_]+)=", EXAMPLE, re.MULTILINE)
    assert len(listed) == len(set(listed))
    assert set(listed) == (settings_read() - FIXED - WIRED) | FOR_COMPOSE


def test_the_example_sets_no_secret_and_names_what_is_required() -> None:
    assert re.findall(r"^([A-Z_]+)=(.*)$", EXAMPLE, re.MULTILINE) == [
        (name, "") for name in REQUIRED
    ]


def test_every_setting_of_the_readme_is_in_the_example() -> None:
    table = README.split("| variable | default |")[1].split("\n\n")[0]
    cells = "".join(row.split("|")[1] for row in table.splitlines()[1:])
    named = set(re.findall(r"`([A-Z_]+)`", cells))
    assert len(named) > 8
    assert named - FIXED - WIRED <= set(re.findall(r"^#?([A-Z_]+)=", EXAMPLE, re.M))


def test_secrets_have_no_default() -> None:
    for name in REQUIRED:
        uses = re.findall(rf"\$\{{{name}(.*?)\}}", TEXT)
        assert uses
        assert all(use.startswith(":?") for use in uses)


def test_a_missing_clouds_yaml_is_an_error_and_no_new_directory() -> None:
    for name in OURS:
        (mount,) = (it for it in SERVICES[name]["volumes"] if isinstance(it, dict))
        assert mount["target"] == "/etc/openstack/clouds.yaml"
        assert mount["read_only"] is True
        assert mount["bind"]["create_host_path"] is False


def test_the_proxy_alone_is_published() -> None:
    assert {name for name, it in SERVICES.items() if it.get("ports")} == {"proxy"}


@pytest.mark.parametrize("service", OURS)
def test_a_service_may_write_where_it_must_and_nowhere_else(service: str) -> None:
    it = SERVICES[service]
    assert it["read_only"] is True
    assert it["cap_drop"] == ["ALL"]
    assert any(mount.startswith("/tmp:") for mount in it["tmpfs"])  # noqa: S108
    assert it["pids_limit"] > 0


@pytest.mark.parametrize("service", SERVICES)
def test_nothing_fills_the_disk_or_the_memory(service: str) -> None:
    it = SERVICES[service]
    assert it["logging"]["options"].keys() == {"max-size", "max-file"}
    assert it["mem_limit"]


def test_postgresql_is_ready_when_it_answers_from_outside() -> None:
    # While it is initialised, a server without TCP answers from inside.
    test = SERVICES["postgres"]["healthcheck"]["test"]
    assert test[test.index("--host") + 1] == "127.0.0.1"
