"""The pages of keypairs: operators see them, add public keys, and delete."""

import pytest

from compute.models import Event, Keypair, Project
from compute.services import keypairs
from tests.conftest import ALICE
from tests.support.console import OPERATOR, Operator
from tests.support.ssh_keys import ed25519_line

pytestmark = pytest.mark.django_db


def test_a_list_and_a_page_show_it(operator: Operator, project: Project) -> None:
    keypair, _ = keypairs.create(project=project, actor=ALICE, name="alice")
    for path in ("compute/keypair/", f"compute/keypair/{keypair.pk}/change/"):
        page = operator.get(path)
        assert "alice" in page
        assert keypair.fingerprint in page
    assert keypair.public_key in page
    assert "keypair.created" in page
    assert 'name="_save"' not in page


def test_an_operator_brings_a_public_key(operator: Operator, project: Project) -> None:
    line = ed25519_line()
    values = {"name": "bob", "project": project.name, "labels": "team=core"}
    told = operator.post("compute/keypair/add/", public_key=line, **values)
    assert "Keypair bob was added" in told
    keypair = Keypair.objects.get()
    assert (keypair.public_key, keypair.labels) == (line, {"team": "core"})
    assert Event.objects.get().actor == OPERATOR
    for wrong, reason in (("hello", "Must begin with the type"), ("", "required")):
        page = operator.client.post(
            "/admin/compute/keypair/add/", {**values, "public_key": wrong}
        )
        assert reason in page.content.decode()
    assert Keypair.objects.count() == 1


def test_delete_asks_again_and_keeps_the_row(
    operator: Operator, project: Project
) -> None:
    keypair, _ = keypairs.create(project=project, actor=ALICE, name="alice")
    path = f"compute/keypair/{keypair.pk}/delete/"
    assert "keep their key" in operator.get(path)
    assert "Keypair alice is deleted" in operator.post(path)
    keypair.refresh_from_db()
    assert keypair.deleted_at is not None
    assert "gone" in operator.post(path)
