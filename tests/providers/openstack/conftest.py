"""The OpenStack driver, against a stage and against a real cloud.

``test_contract.py`` runs on the cloud that OS_CLOUD names in clouds.yaml and is not
collected without it. Where OS_ADMIN_CLOUD names the credentials of an operator of the
same cloud, what takes one (a server in ERROR) is tested too.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from providers.openstack import OpenStackCloud
from tests.support.fake_openstack import Stage

REAL = Path(__file__).parent / "test_contract.py"
CLOUD = os.environ.get("OS_CLOUD", "")
ADMIN_CLOUD = os.environ.get("OS_ADMIN_CLOUD", "")

collect_ignore = [] if CLOUD else [REAL.name]

MakeCloud = Callable[..., OpenStackCloud]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path == REAL:
            item.add_marker(pytest.mark.openstack)


@pytest.fixture
def stage() -> Iterator[Stage]:
    stage = Stage()
    yield stage
    stage.close()


@pytest.fixture
def make(stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeCloud:
    """Make a cloud of the stage, or of what ``auth_url`` says."""

    def make_cloud(*, auth_url: str = "", **options: str) -> OpenStackCloud:
        config = tmp_path / "clouds.yaml"
        cloud = stage.cloud(auth_url=auth_url, password="secret")
        config.write_text(yaml.safe_dump({"clouds": {"stage": cloud}}))
        monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(config))
        return OpenStackCloud(cloud="stage", **options)

    return make_cloud


@pytest.fixture
def cloud(make: MakeCloud) -> OpenStackCloud:
    return make(timeout="5")
