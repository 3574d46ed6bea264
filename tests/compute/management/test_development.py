"""The generated operator account of development."""

from pathlib import Path

import pytest
from django.test import Client
from pytest_django import Settings

from compute.management.development import development_admin
from compute.models import User

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _development(settings: Settings, tmp_path: Path) -> None:
    settings.DEBUG = True
    settings.DATA_DIR = tmp_path


def test_an_empty_user_table_gets_an_operator_who_can_log_in(client: Client) -> None:
    account = development_admin()
    assert account
    assert client.login(username=account.username, password=account.password)
    assert client.get("/admin/").status_code == 200


def test_the_password_is_kept_for_its_owner_only(tmp_path: Path) -> None:
    first, second = development_admin(), development_admin()
    assert first == second
    assert (tmp_path / "admin_password").stat().st_mode & 0o777 == 0o600


def test_a_fresh_database_gets_the_password_that_is_known_already() -> None:
    first = development_admin()
    User.objects.all().delete()
    assert development_admin() == first


def test_it_does_not_exist_without_debug(settings: Settings, tmp_path: Path) -> None:
    settings.DEBUG = False
    assert development_admin() is None
    assert not User.objects.exists()
    assert not (tmp_path / "admin_password").exists()


def test_it_does_not_exist_beside_real_users(tmp_path: Path) -> None:
    # pragma: allowlist nextline secret
    User.objects.create_superuser("operator", password="of their own")
    assert development_admin() is None
    assert User.objects.count() == 1


def test_a_changed_password_is_not_shown() -> None:
    development_admin()
    admin = User.objects.get(username="admin")
    admin.set_password("my own")
    admin.save(update_fields=["password"])
    assert development_admin() is None
