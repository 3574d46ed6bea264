"""The address of a console page asks for what the page offers; nothing else, and no 500."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import URLPattern, URLResolver

from compute.models import VM
from tests.support.console import Operator, permission, staff
from tests.support.factories import LoginFactory, VMFactory
from tests.support.populated_projects import Place, settle

LISTS = [
    f"{model._meta.app_label}/{model._meta.model_name}/"
    for model in admin.site._registry
]
#: What a list shall not understand, as name and value.
NONSENSE = [
    ("user_data__contains", "s"),
    ("user_data__regex", "^s"),
    ("password__startswith", "md5"),
    ("user__password__startswith", "a"),
    ("digest__startswith", "a"),
    ("name__regex", "("),
    ("created_at__year", "99999999999"),
    ("name", "x"),
    ("id__in", "1,2"),
    ("id__exact", "1"),
    ("project__name__contains", "a"),
    ("vm__user_data__contains", "a"),
    ("vm__id__exact", "x"),
    ("about", "x"),
    ("about", "vm:x"),
    ("_selected_action", "x"),
    ("_facets", "True"),
    ("_popup", "1"),
    ("_to_field", "password"),
    ("e", "1"),
    ("all", "1"),
    ("p", "-1"),
    ("p", "0"),
    ("p", "x"),
    ("p", "9" * 5000),
    ("p", "\N{ARABIC-INDIC DIGIT ONE}"),
    ("o", "x"),
    ("o", "9" * 5000),
    ("o", "1.1.-"),
    ("q", "x" * 256),
    ("", ""),
    ("x" * 5000, "x"),
]


#: What is no key of any row.
HOSTILE = ("nonsense", "-1", "9" * 30, "9" * 5000, "_5F_00")


@pytest.fixture
def client(operator: Operator) -> Client:
    """One that is answered a 500 instead of being told the exception."""
    client = Client(headers={"Accept": "text/html"}, raise_request_exception=False)
    client.force_login(operator.user)
    return client


@pytest.mark.once
@pytest.mark.parametrize("path", LISTS)
def test_a_list_takes_what_it_offers_and_refuses_the_rest(
    client: Client, path: str
) -> None:
    for name, value in NONSENSE:
        answer = client.get(f"/admin/{path}?{urlencode({name: value})}")
        assert answer.status_code == 400, (name, value)
        assert "cannot be understood" in answer.content.decode(), (name, value)
    twice = client.get(f"/admin/{path}?q=a&q=b")
    assert twice.status_code == 400
    for fine in ("", "?o=", "?o=1", "?o=-1.2", "?p=1", "?q=", "?q=x", "?all="):
        assert client.get(f"/admin/{path}{fine}").status_code == 200, fine


@pytest.mark.once
@pytest.mark.parametrize("path", LISTS)
def test_the_links_of_a_list_lead_somewhere(client: Client, path: str) -> None:
    VMFactory.create()
    LoginFactory.create()
    page = client.get(f"/admin/{path}").content.decode()
    links = set(re.findall(r'href="(\?[^"]*)"', page))
    for link in links:
        answer = client.get(f"/admin/{path}{link.replace('&amp;', '&')}")
        assert answer.status_code == 200, link


def test_nobody_reads_user_data_letter_by_letter(db: None) -> None:
    VMFactory.create(name="box", user_data="#cloud-config\npassword: hunter2")
    onlooker = staff("ivan", permission("view_vm"))
    told = [
        onlooker.client.get("/admin/compute/vm/", {"user_data__contains": word})
        for word in ("hunter2", "hunter3")
    ]
    assert [answer.status_code for answer in told] == [400, 400]
    assert "box" not in told[0].content.decode()


@pytest.mark.parametrize(
    "query",
    [
        {"status__exact": "NONSENSE"},
        {"created_at__gte": "x"},
        {"created_at__lt": "9999-12-31T23:59-14:00"},
        {"deleted": "x"},
        {"project": "x"},
        {"project": "9" * 3000},
    ],
)
def test_a_filter_takes_its_choices_alone(
    client: Client, query: dict[str, str]
) -> None:
    assert client.get("/admin/compute/vm/", query).status_code == 400


@pytest.mark.parametrize("path", ["compute/vm/", "compute/login/", "compute/user/"])
@pytest.mark.parametrize("selected", ["x", "", "9" * 500])
def test_a_row_that_cannot_be_is_not_selected(
    client: Client, path: str, selected: str
) -> None:
    for action in ("delete_all", "revoke_all", "nonsense"):
        for more in ({"index": "0"}, {"index": "9"}, {}, {"select_across": "x"}):
            data = {"action": action, "_selected_action": selected, **more}
            assert client.post(f"/admin/{path}", data).status_code < 500, data


def routes(patterns: list[Any], prefix: str = "/admin/") -> Iterator[str]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from routes(pattern.url_patterns, f"{prefix}{pattern.pattern}")
        elif isinstance(pattern, URLPattern) and "(" not in str(pattern.pattern):
            yield f"{prefix}{pattern.pattern}"


@pytest.fixture
def place(catalogue: None) -> Place:
    return settle("home")[0]


def test_no_page_fails_over_what_a_stranger_can_write_in_its_address(
    client: Client, place: Place
) -> None:
    keys = {
        model._meta.model_name: str(row.pk)
        for model in admin.site._registry
        if (row := model._default_manager.first()) is not None
    }
    asked, failed = [], []
    for route in sorted(set(routes(admin.site.get_urls()))):
        noun = route.split("/")[3] if route.count("/") > 3 else ""
        addresses = [f"{route}{query}" for query in ("", "?_to_field=password", "?p=x")]
        if "<" in route:
            known = re.sub(r"<[^>]*>", keys.get(noun, "1"), route)
            addresses = [known, f"{known}?_to_field=password", f"{known}?_popup=1"]
            addresses += [re.sub(r"<[^>]*>", key, route) for key in HOSTILE]
        asked += addresses
        failed += [path for path in addresses if client.get(path).status_code >= 500]
    assert not failed
    assert len(asked) > 200


def test_what_django_offers_and_nothing_here_uses_is_gone(
    client: Client, place: Place
) -> None:
    for path in (f"r/1/{place.vm.pk}/", "r/1/nonsense/"):
        assert client.get(f"/admin/{path}").status_code == 404


def test_a_group_is_added_in_a_small_window(client: Client) -> None:
    page = client.get("/admin/auth/group/add/?_to_field=id&_popup=1")
    assert page.status_code == 200
    assert client.get("/admin/auth/group/add/?permissions=x").status_code == 400


def test_a_program_reads_a_problem(client: Client) -> None:
    answer = client.get("/admin/compute/vm/?x=1", headers={"Accept": "*/*"})
    assert answer.status_code == 400
    assert answer.json()["code"] == "bad-request"
    assert not VM.objects.exists()
