"""A list answers what the filter, the order and the body of each row say by themselves."""

import json
from datetime import UTC
from typing import Any
from urllib.parse import urlencode

import orjson
import pytest
from django.http import QueryDict
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from compute.access import Access
from compute.api.vms import VMFilter
from compute.bodies.reader import Reader
from compute.bodies.vms import VM_BODY
from compute.models import VM, Project, User
from tests.support.api import Api, as_user
from tests.support.factories import ProjectFactory, VMFactory

#: Any characters but those that no database of ours stores in a text.
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
LABELS = st.dictionaries(
    st.sampled_from(["env", "tier", "1", "a.b/c"]),
    st.sampled_from(["prod", "db", "", "x"]),
    max_size=3,
)
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "name": TEXT.map(lambda text: text[:40] or "x"),
            "description": TEXT,
            "labels": LABELS,
            "status": st.sampled_from(["ACTIVE", "SHUTOFF", "ERROR", "BUILD"]),
            "flavor_name": TEXT.map(lambda text: text[:40]),
            "keypair_name": st.sampled_from(["", "alice", 'a"b']),
            "delete_protection": st.booleans(),
            "server_id": st.sampled_from(["", "server"]),
            "addresses": st.lists(
                st.fixed_dictionaries({"ip": st.just("10.0.0.1"), "network": TEXT}),
                max_size=2,
            ),
            "created_at": st.datetimes(timezones=st.just(UTC)),
        }
    ),
    max_size=12,
)
FILTERS = st.fixed_dictionaries(
    {},
    optional={
        "status": st.sampled_from(["ACTIVE", "ACTIVE,ERROR"]),
        "name__contains": st.sampled_from(["a", "É", "%", "_", "x"]),
        "search": st.sampled_from(["a", "10.0.0.1", "0"]),
        "label_selector": st.sampled_from(["env=prod", "!env", "tier in (db,x)"]),
        "created_at__gte": st.just("2000-01-01T00:00:00Z"),
        "include_deleted": st.sampled_from(["true", "false"]),
    },
)
ORDERINGS = st.sampled_from(
    ["created_at", "-created_at", "name", "-name,created_at", "-updated_at,name"]
)


def expected(user: User, query: dict[str, str], ordering: str) -> list[Any]:
    """Return all rows of a list, by models and Python alone."""
    filters = QueryDict(urlencode(query))
    rows = VMFilter(filters, queryset=VM.objects.with_operation()).qs
    keys = ordering.split(",")
    last = "-id" if keys[-1].startswith("-") else "id"
    reader = Reader(lambda: "http://testserver", Access(user))
    bodies = [VM_BODY.show(vm, reader) for vm in rows.order_by(*keys, last)]
    listed = json.loads(orjson.dumps(bodies, default=str, option=orjson.OPT_UTC_Z))
    return list(listed)


@given(
    rows=ROWS,
    query=FILTERS,
    ordering=ORDERINGS,
    per_page=st.integers(1, 7),
    by_cursor=st.booleans(),
)
@hypothesis_settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_pages_hold_what_the_rows_are(
    api: Api,
    project: Project,
    rows: list[dict[str, Any]],
    query: dict[str, str],
    ordering: str,
    per_page: int,
    by_cursor: bool,
) -> None:
    VM.objects.all().delete()
    for number, row in enumerate(rows):
        server_id = f"{row['server_id']}-{number}" if row["server_id"] else ""
        VMFactory.create(**{**row, "server_id": server_id})
    page = {"cursor": ""} if by_cursor else {"page": "1"}
    paging = {"ordering": ordering, "per_page": str(per_page)}
    url = f"/vms?{urlencode({**query, **paging, **page})}"
    listed: list[Any] = []
    while url:
        answer = api.get(url.removeprefix("http://testserver/api/v1")).json()
        listed += answer["results"]
        url = answer["next"]
    known = expected(User.objects.get(username="alice"), query, ordering)
    assert listed == known
    assert answer["count"] == (None if by_cursor else len(known))
    for row in listed[:2]:
        deleted = "?include_deleted=true" if row["deleted_at"] else ""
        assert api.get(f"/vms/{row['id']}{deleted}").json() == row


@pytest.mark.parametrize("projects", [1, 2, 51])
def test_two_members_with_as_many_projects_see_each_their_own(
    project: Project, projects: int
) -> None:
    seen, known = [], []
    for username in ("first", "second"):
        user = User.objects.create(username=username)
        for own in ProjectFactory.create_batch(projects):
            own.memberships.create(user=user, role="reader")
            known.append(str(VMFactory.create(project=own).pk))
        answer = as_user(user).get("/vms?per_page=100&ordering=created_at").json()
        seen += [row["id"] for row in answer["results"]]
        assert answer["count"] == projects
    assert seen == known
