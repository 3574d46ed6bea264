"""How the tests of the admin click through it, and read what it answers."""

import html
import re
from collections.abc import Callable
from typing import Any

from django.contrib.auth.models import Permission
from django.db.models import Model
from django.test import Client

from compute.models import VM, Operation, User

OPERATOR = "user:olga"

#: What the console has pages of.
NOUNS = (
    "vm",
    "snapshot",
    "operation",
    "event",
    "flavor",
    "image",
    "project",
    "cloud",
    "user",
    "apitoken",
    "login",
    "network",
    "subnet",
    "router",
    "floatingip",
    "securitygroup",
    "securitygrouprule",
    "webhook",
    "delivery",
    "batch",
)


class Operator:
    """A browser of somebody who is logged in."""

    def __init__(self, user: User) -> None:
        self.user = user
        self.client = Client(headers={"Accept": "text/html"})
        self.client.force_login(user)

    def get(self, path: str, status: int = 200) -> str:
        """Return a page, as text without entities."""
        response = self.client.get(f"/admin/{path}")
        assert response.status_code == status, response.content[:2000]
        return html.unescape(response.content.decode())

    def post(self, path: str, **data: Any) -> str:
        """Send a form; return what the operator is told then."""
        response = self.client.post(f"/admin/{path}", data, follow=True)
        assert response.status_code == 200, response.content[:2000]
        return answers(response.content.decode())

    def status_of_post(self, path: str, **data: Any) -> int:
        return self.client.post(f"/admin/{path}", data).status_code


def answers(page: str) -> str:
    """Return the messages on a page, without their tags."""
    found = re.search(r'<ul class="messagelist">(.*?)</ul>', page, re.DOTALL)
    text = re.sub(r"<[^>]*>", " ", found[1] if found else "")
    return html.unescape(" ".join(text.split()))


def staff(name: str, *permissions: Permission) -> Operator:
    user = User.objects.create_user(name, password="x", is_staff=True)
    user.user_permissions.set(permissions)
    return Operator(user)


def permission(codename: str) -> Permission:
    return Permission.objects.get(content_type__app_label="compute", codename=codename)


def path(row: Model, verb: str = "change") -> str:
    return f"compute/{row._meta.model_name}/{row.pk}/{verb}/"


def href(row: Model) -> str:
    """Return how a page leads to that of a row."""
    return f'href="/admin/{path(row)}"'


def ask(operator: Operator, row: Model, name: str, /, **values: str) -> str:
    """Press a button of a page; return what the operator is told then."""
    return operator.post(path(row, f"actions/{name}"), **values)


def succeed(drain: Callable[[], None], type: str) -> None:
    """Have the work done that the operator has just asked for."""
    operation = Operation.objects.live().get()
    assert (operation.type, operation.requested_by) == (type, OPERATOR)
    drain()
    operation.refresh_from_db()
    assert operation.status == "SUCCEEDED", operation.error


def preview(
    operator: Operator, action: str, *vms: VM, query: str = "deleted=all"
) -> str:
    """Choose VMs in their list, and what to do with them; return the page that asks."""
    chosen = [str(vm.pk) for vm in vms]
    data = {"action": f"{action}_all", "_selected_action": chosen, "index": "0"}
    response = operator.client.post(f"/admin/compute/vm/?{query}", data)
    assert response.status_code == 200, response.content[:2000]
    return html.unescape(response.content.decode())


def confirm(operator: Operator, page: str) -> str:
    """Press the button of such a page; return what the operator is told then."""
    url = re.search(r'action="/admin/(compute/vm/bulk/[a-z-]+/)"', page)
    assert url is not None
    return operator.post(url[1], **form(page))


def form(page: str) -> dict[str, str]:
    """Return what such a page would send."""
    return dict(re.findall(r'name="(batch|vms)" value="([^"]*)"', page))


def page(operator: Operator, vm: VM) -> str:
    return operator.get(f"compute/vm/{vm.pk}/change/")


def press(operator: Operator, vm: VM, action: str, **values: str) -> str:
    return operator.post(f"compute/vm/{vm.pk}/actions/{action}/", **values)
