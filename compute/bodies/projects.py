"""Projects, their members and their quotas."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from compute.bodies.body import ID, NUMBER, TEXT, TIME, Body, Field, Many, one_of
from compute.bodies.examples import AT, PROJECT_ID
from compute.bodies.reader import Reader
from compute.models import Quota, Resource, Role


def role_in(reader: Reader, project_id: UUID) -> Role | None:
    """Return the reader's own role in a project."""
    return None if reader.access is None else reader.access.role_in(project_id)


PROJECT_BODY = Body(
    "Project",
    "The tenant that VMs, snapshots and tokens belong to.",
    Field("id", ID, PROJECT_ID),
    Field("name", TEXT, "web-shop"),
    Field("description", TEXT, ""),
    Field(
        "clouds",
        Many(TEXT),
        ["default"],
        null=True,
        about="The clouds it may use, its default one first; null: all.",
    ),
    Field(
        "role",
        one_of(Role),
        "admin",
        at="id",
        made=role_in,
        null=True,
        about="Your role in it; null for an operator who is not a member.",
    ),
    Field("version", NUMBER, 1, about="The ETag."),
    Field("created_at", TIME, AT),
    Field("updated_at", TIME, AT),
)

MEMBER_BODY = Body(
    "Member",
    "A user with a role in a project.",
    Field("username", TEXT, "alice", at="user__username"),
    Field("role", one_of(Role), "member"),
    Field("created_at", TIME, AT),
)

USE_BODY = Body(
    "QuotaRow",
    "",
    Field("limit", NUMBER, 1000, null=True, about="null: none."),
    Field("used", NUMBER, 80),
)

#: Of what `quota_of` returns.
QUOTA_BODY = Body(
    "Quota",
    "The limit of each resource in a project, and how much is used.",
    *(Field(resource.value, USE_BODY, USE_BODY.example) for resource in Resource),
)


def quota_of(rows: Iterable[Quota]) -> dict[str, dict[str, Any]]:
    """Return what the quota of a project shows of its rows."""
    known = {row.resource: row for row in rows}
    return {
        resource.value: {
            "limit": known[resource].limit if resource in known else None,
            "used": known[resource].used if resource in known else 0,
        }
        for resource in Resource
    }
