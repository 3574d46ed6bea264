"""An API token."""

from compute.bodies.body import ID, TEXT, TIME, Body, Field, one_of
from compute.bodies.examples import AT, PROJECT_ID, TOKEN_PREFIX
from compute.models import Role

API_TOKEN_BODY = Body(
    "APIToken",
    "A key for a program, bound to one project and one role.",
    Field("id", ID, "70ce5a57-6f0c-4c1e-9d0a-3a3f1d1b2c11"),
    Field("name", TEXT, "terraform"),
    Field("project", ID, PROJECT_ID, at="project_id"),
    Field("role", one_of(Role), "member"),
    Field("user", TEXT, "alice", at="user__username", about="Whose token it is."),
    Field("prefix", TEXT, TOKEN_PREFIX, about="Its first characters."),
    Field(
        "token",
        TEXT,
        None,
        at=(),
        made=lambda reader: None,
        null=True,
        about="The whole token: only in the answer that created it.",
    ),
    Field("expires_at", TIME, "2027-02-21T10:00:00Z", null=True),
    Field("last_used_at", TIME, None, null=True, about="To the minute."),
    Field("created_at", TIME, AT),
)
