"""One account of clouds.yaml in several projects."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from providers import errors
from providers.openstack import OpenStackCloud
from tests.support.fake_openstack import IMAGES, TOKENS, Line, Stage

Enter = Callable[..., OpenStackCloud]
DEFAULT = {"name": "Default"}


@pytest.fixture
def enter(stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Enter:
    """Make a cloud of an entry, after changes to it and to its ``auth``; None: without."""
    stage.speak("GET", IMAGES, Line(body={"images": []}))

    def enter(
        auth: dict[str, Any] | None = None,
        entry: dict[str, Any] | None = None,
        **options: str,
    ) -> OpenStackCloud:
        known = stage.cloud(password="secret")
        known |= entry or {}
        merged = {**known["auth"], **(auth or {})}
        known["auth"] = {key: text for key, text in merged.items() if text is not None}
        config = tmp_path / "clouds.yaml"
        config.write_text(yaml.safe_dump({"clouds": {"stage": known}}))
        monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(config))
        return OpenStackCloud(cloud="stage", **options)

    return enter


def auth_of(stage: Stage) -> Any:
    """Return what was last sent for a token."""
    return stage.sent("POST", TOKENS)[-1].body["auth"]


def test_an_entry_without_a_project_of_the_options_is_in_its_own(
    stage: Stage, enter: Enter
) -> None:
    enter().images.list_snapshots()
    own = {"project": {"name": "demo", "domain": DEFAULT}}
    assert auth_of(stage)["scope"] == own


def test_each_cloud_sees_what_is_in_its_own_project(stage: Stage, enter: Enter) -> None:
    stage.admit("demo", "web", "db")
    clouds = [enter(), enter(project="web"), enter(project="db")]
    for cloud in (*clouds, *clouds):  # the second time with the token of the first
        cloud.images.list_snapshots()
    owners = [sent.query["owner"] for sent in stage.sent("GET", IMAGES)]
    assert owners == [["id-of-demo"], ["id-of-web"], ["id-of-db"]] * 2
    assert len(stage.sent("POST", TOKENS)) == 3


@pytest.mark.parametrize(
    ("auth", "entry", "domain"),
    [
        ({}, {}, DEFAULT),
        ({"project_name": None, "project_id": "p"}, {}, DEFAULT),
        ({"project_id": "p"}, {}, DEFAULT),
        ({"project_name": None, "tenant_id": "p"}, {}, DEFAULT),
        ({"project_name": None}, {"project_id": "p"}, DEFAULT),
        ({"project_name": None}, {"project_name": "p"}, DEFAULT),
        ({"project_name": None}, {}, DEFAULT),
        ({"project_name": None, "system_scope": "all"}, {}, DEFAULT),
        (
            {"project_domain_name": None, "project_domain_id": "default"},
            {},
            {"id": "default"},
        ),
        # One domain for both, by the entry's short form.
        (
            {
                "project_name": None,
                "project_domain_name": None,
                "user_domain_name": None,
                "domain_name": "Default",
            },
            {},
            DEFAULT,
        ),
    ],
)
@pytest.mark.parametrize("chosen", ["", "Teams"])
def test_whatever_an_entry_is_for_its_account_is_put_in_the_project(
    stage: Stage,
    enter: Enter,
    auth: dict[str, Any],
    entry: dict[str, Any],
    domain: dict[str, str],
    chosen: str,
) -> None:
    options = {"project_domain": chosen} if chosen else {}
    enter(auth, entry, project="web", **options).images.list_snapshots()
    sent = auth_of(stage)
    expected = {"name": chosen} if chosen else domain
    assert sent["scope"] == {"project": {"name": "web", "domain": expected}}
    user = sent["identity"]["password"]["user"]
    assert (user["name"], user["domain"]) == ("demo", DEFAULT)


def test_a_project_that_refuses_the_account_is_told_as_wrong_credentials(
    stage: Stage, enter: Enter
) -> None:
    stage.admit("web")
    with pytest.raises(errors.Unauthorized) as caught:
        enter(project="db").images.list_snapshots()
    assert (caught.value.service, caught.value.status) == ("keystone", 401)
    assert not caught.value.retryable


NO_DOMAIN = {"project_name": None, "project_domain_name": None, "project_id": "p"}


@pytest.mark.parametrize(
    ("auth", "entry", "options", "words"),
    [
        ({}, {}, {"project": ""}, "'project' of openstack:// must not be empty"),
        ({}, {}, {"project": "web", "project_domain": ""}, "'project_domain' of"),
        ({}, {}, {"project_domain": "Teams"}, "needs 'project'"),
        (NO_DOMAIN, {}, {"project": "web"}, "'project_domain' is needed"),
        ({"trust_id": "t"}, {}, {"project": "web"}, "is for one project"),
        (
            {
                "application_credential_id": "a",
                "application_credential_secret": "s",
            },
            {"auth_type": "v3applicationcredential"},
            {"project": "web"},
            "is for one project",
        ),
    ],
)
def test_what_cannot_be_is_told_at_start(
    stage: Stage,
    enter: Enter,
    auth: dict[str, Any],
    entry: dict[str, Any],
    options: dict[str, str],
    words: str,
) -> None:
    with pytest.raises(ValueError, match=words):
        enter(auth, entry, **options)
    assert stage.requests == []


def test_an_entry_without_a_domain_takes_the_one_of_the_options(
    stage: Stage, enter: Enter
) -> None:
    cloud = enter(NO_DOMAIN, project="web", project_domain="Teams")
    cloud.images.list_snapshots()
    teams = {"project": {"name": "web", "domain": {"name": "Teams"}}}
    assert auth_of(stage)["scope"] == teams
