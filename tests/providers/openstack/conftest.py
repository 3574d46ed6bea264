"""Tests against a real OpenStack: the cloud that OS_CLOUD names in clouds.yaml.

They are not collected without it. Where OS_ADMIN_CLOUD names the credentials of an operator
of the same cloud, what takes one (a server in ERROR) is tested too.
"""

import os
from pathlib import Path

import pytest

HERE = Path(__file__).parent
CLOUD = os.environ.get("OS_CLOUD", "")
ADMIN_CLOUD = os.environ.get("OS_ADMIN_CLOUD", "")

collect_ignore_glob = [] if CLOUD else ["test_*.py"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.openstack)
