"""Lists of the console: chips, days, columns that answer questions, and CSV."""

import csv
import io
import re
from collections.abc import Callable
from datetime import UTC, datetime
from html import unescape

import pytest
from django.contrib import admin
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from compute.admin.console import export
from compute.admin.console.site import GROUPS
from compute.models import VM, Operation
from compute.services import vms
from tests.conftest import ALICE
from tests.support.console import NOUNS, Operator, path, permission, staff
from tests.support.factories import ImageFactory, ProjectFactory, VMFactory
from tests.support.operations import ended
from tests.support.rows import one_of_each

ADDRESSES = [{"ip": "10.0.0.9", "version": 4, "mac": "fa:16:3e:00:00:09"}]
FAULT = {"title": "OpenStack error", "detail": "No valid host was found."}


def chips(page: str) -> dict[str, str]:
    """Return what a list is narrowed to, with the list without it."""
    found = re.findall(r'<a class="chip" href="([^"]*)">(.*?)</a>', page)
    return {
        re.sub(r"<[^>]*>|Remove |[\xd7]", "", text).strip(): url for url, text in found
    }


def listed(page: str) -> set[str]:
    return set(re.findall(r'class="field-name"><a [^>]*>([^<]*)</a>', page))


def read(operator: Operator, address: str) -> list[dict[str, str]]:
    answer = operator.client.get(f"/admin/{address}")
    assert answer.status_code == 200
    text = answer.content.decode()
    return list(csv.DictReader(io.StringIO(text)))


def test_what_is_chosen_is_a_chip_that_can_be_taken_away(operator: Operator) -> None:
    lab = ProjectFactory.create(name="lab")
    for name, status in (
        ("web-1", "BUILD"),
        ("web-2", "STOPPING"),
        ("web-3", "ACTIVE"),
    ):
        VMFactory.create(name=name, status=status, project=lab)
    VMFactory.create(name="web-4", status="BUILD")
    query = f"?o=-1&project={lab.pk}&q=web&status__exact=moving"
    page = operator.get(f"compute/vm/{query}")
    assert listed(page) == {"web-1", "web-2"}
    assert chips(page) == {
        "Search: web": f"?o=-1&project={lab.pk}&status__exact=moving",
        "Status: Moving": f"?o=-1&project={lab.pk}&q=web",
        "Project: lab": "?o=-1&q=web&status__exact=moving",
    }
    assert '<a href="?o=-1">Clear all</a>' in page
    assert listed(operator.get("compute/vm/?status__exact=BUILD")) == {"web-1", "web-4"}
    assert "STOPPING</a>" not in page  # it is one of those that move
    page = operator.get("compute/vm/")
    assert not chips(page)
    assert "<h1>VMs</h1>" in page
    # What another page leads to is named, too.
    vm = VM.objects.get(name="web-4")
    page = operator.get(f"compute/snapshot/?vm__id__exact={vm.pk}")
    assert chips(page) == {"VM: web-4": "?"}


def test_all_are_on_one_page_only_where_that_is_asked_of_a_part(
    operator: Operator,
) -> None:
    VMFactory.create_batch(51)
    assert "showall" not in operator.get("compute/vm/")
    assert "showall" in operator.get("compute/vm/?status__exact=ACTIVE")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("created_from=2026-03-02", {"second", "third"}),
        ("created_to=2026-03-02", {"first", "second"}),
        ("created_from=2026-03-02&created_to=2026-03-02", {"second"}),
        ("created_from=&created_to=", {"first", "second", "third"}),
        ("created_from=2026-03-02&created_to=&q=third", {"third"}),
    ],
)
def test_vms_of_some_days_in_utc(
    operator: Operator, query: str, expected: set[str]
) -> None:
    for name, time in (
        ("first", datetime(2026, 3, 1, 23, 59, 59, tzinfo=UTC)),
        ("second", datetime(2026, 3, 2, 23, 59, 59, tzinfo=UTC)),
        ("third", datetime(2026, 3, 3, tzinfo=UTC)),
    ):
        VMFactory.create(name=name, created_at=time)
    page = operator.get(f"compute/vm/?{query}")
    assert listed(page) == expected
    if "q=" in query:  # the form for days keeps it, and that for words the days
        assert page.count('<input type="hidden" name="q" value="third">') == 1
        kept = '<input type="hidden" name="created_from" value="2026-03-02">'
        assert page.count(kept) == 1


@pytest.mark.parametrize(
    "query",
    [
        *("created_from=yesterday", "created_from=2026-02-30", "created_to=20260301"),
        *("created_to=9999-12-31", "created_to=2026-01-01T00:00Z"),
        "created_from=2026-03-02&created_to=2026-03-01",
        "created_from=" + "9" * 3000,
    ],
)
def test_no_such_day(operator: Operator, query: str) -> None:
    for noun in ("vm", "operation", "event", "login"):
        assert "“created_" in operator.get(f"compute/{noun}/?{query}", status=400)
    operator.get(f"compute/vm/csv/?{query}", status=400)


def test_columns_answer_what_and_why(operator: Operator) -> None:
    image = ImageFactory.create(name="debian-12")
    vm = VMFactory.create(
        name="web-1",
        status="ERROR",
        error=FAULT,
        image=image,
        image_name=str(image.pk),
        labels={"env": "prod", "tier": "web"},
    )
    operation = ended("FAILED", at=timezone.now(), target=vm)
    Operation.objects.filter(pk=operation.pk).update(error=FAULT)
    page = operator.get("compute/vm/")
    for text in ("No valid host was found.", ">debian-12<", ">env=prod<", ">tier=web<"):
        assert text in page
    page = operator.get("compute/operation/")
    assert "No valid host was found." in page
    assert ">web-1</a>" in page


def test_a_page_far_behind_is_in_order(operator: Operator) -> None:
    names = [f"web-{number:04}" for number in range(1120)]
    first = VMFactory.create(name=names[0])
    others = {"project": first.project, "flavor": first.flavor, "image": first.image}
    VM.objects.bulk_create(VMFactory.build(name=name, **others) for name in names[1:])
    for number in (20, 21, 23):
        text = operator.get(f"compute/vm/?p={number}&o=1")
        found = re.findall(r'class="field-name"><a [^>]*>([^<]*)</a>', text)
        assert found == names[(number - 1) * 50 : number * 50]


def test_lists_and_files_cost_the_same_queries_at_any_length(
    operator: Operator,
) -> None:
    one_of_each(operator.user)

    def queries(address: str) -> int:
        with CaptureQueriesContext(connection) as found:
            answer = operator.client.get(f"/admin/compute/{address}")
            assert answer.status_code == 200, address
        return len(found)

    addresses = [f"{noun}/{page}" for noun in NOUNS for page in ("csv/", "?q=zz")]
    before = {address: queries(address) for address in addresses}
    # A search for what operations and events name looks at each kind of thing.
    assert max(before.values()) <= 18
    for number in range(4):
        fields = {
            "name": f"more-{number}",
            "labels": {"a": "b"},
            "addresses": ADDRESSES,
        }
        vm = VMFactory.create(image=ImageFactory.create(), **fields)
        vms.act(vm, "stop", actor=ALICE)
        ended("FAILED", at=timezone.now(), target=vm)
    assert {address: queries(address) for address in addresses} == before


def test_a_file_has_what_is_listed_and_no_formula(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "PART", 2)
    for name in ("=1+1", "+1", "-1", "@a", 'a,"b', "böse"):
        VMFactory.create(name=name, vcpus=2, labels={"env": "prod"}, user_data="secret")
    VMFactory.create(name="off", status="SHUTOFF")
    answer = operator.client.get("/admin/compute/vm/csv/?status__exact=ACTIVE&o=1")
    today = timezone.now().strftime("%Y-%m-%d")
    assert answer["Content-Disposition"] == f'attachment; filename="vms-{today}.csv"'
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    rows = read(operator, "compute/vm/csv/?status__exact=ACTIVE&o=1")
    names = {row["name"] for row in rows}
    assert names == {"'=1+1", "'+1", "'-1", "'@a", 'a,"b', "böse"}
    assert {(row["vcpus"], row["labels"]) for row in rows} == {("2", "env=prod")}
    assert "secret" not in str(rows)
    # Quoted, as a semicolon begins a cell elsewhere.
    assert '"a,""b"' in answer.content.decode()
    monkeypatch.setattr(export, "MAX_ROWS", 5)
    rows = read(operator, "compute/vm/csv/")
    assert len(rows) == 6
    assert rows[-1]["id"].startswith("Cut here")
    assert "Export CSV (first 5)" in operator.get("compute/vm/")
    for value in ("\t=1", "\r=1", "\n=1", "=1", "  =1", "\uff1d1"):
        assert export.cell(value) == f"'{value}"
    assert export.cell(-1) == "-1"


def test_a_file_is_for_who_may_see_the_list(operator: Operator) -> None:
    onlooker = staff("ivan", permission("view_snapshot"))
    assert onlooker.client.get("/admin/compute/vm/csv/").status_code == 403
    assert onlooker.client.get("/admin/compute/snapshot/csv/").status_code == 200
    assert operator.client.post("/admin/compute/vm/csv/").status_code == 405
    operator.get("compute/vm/csv/?user_data__contains=x", status=400)
    operator.get("auth/group/csv/", status=404)


def test_a_filter_survives_an_action_and_a_visit(
    operator: Operator, make_vm: Callable[..., VM]
) -> None:
    vm = make_vm(name="web-1")
    query = "?q=web&status__exact=ACTIVE"
    answer = operator.client.post(
        f"/admin/compute/vm/{query}",
        {"action": "stop_all", "_selected_action": str(vm.pk), "index": "0"},
    )
    assert f'href="/admin/compute/vm/{query}"' in unescape(answer.content.decode())
    page = unescape(operator.client.get(f"/admin/compute/vm/{query}").content.decode())
    kept = "?_changelist_filters=q%3Dweb%26status__exact%3DACTIVE"
    assert f'href="/admin/{path(vm)}{kept}"' in page
    # And back: by the way that the page shows, and when it was saved.
    page = unescape(operator.client.get(f"/admin/{path(vm)}{kept}").content.decode())
    assert f'<a href="/admin/compute/vm/{query}">VMs</a>' in page
    form = {"name": "web-9", "version": VM.objects.get().version}
    answer = operator.client.post(f"/admin/{path(vm)}{kept}", form)
    assert answer["Location"] == f"/admin/compute/vm/{query}"
    assert VM.objects.get().name == "web-9"


def test_every_model_is_in_a_group_of_the_navigation(operator: Operator) -> None:
    registered = {str(model._meta.object_name) for model in admin.site._registry}
    placed = [name for names in GROUPS.values() for name in names]
    assert sorted(placed) == sorted(registered)
    page = operator.get("compute/vm/")
    assert re.findall(r'<span class="section">(\w+)</span>', page) == list(GROUPS)
    for app in ("compute", "auth"):
        assert operator.client.get(f"/admin/{app}/")["Location"] == "/admin/"
    onlooker = staff("ivan", permission("view_vm"))
    page = onlooker.get("compute/vm/")
    assert re.findall(r'<span class="section">(\w+)</span>', page) == ["Compute"]
