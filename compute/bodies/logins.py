"""What a login opens with, and who one is."""

from compute.bodies.body import FLAG, ID, NUMBER, TEXT, TIME, Body, Field, Many, one_of
from compute.bodies.examples import AT, PROJECT_ID
from compute.bodies.projects import role_in
from compute.models import Role

#: Shortened: three parts, as any.
JWT_EXAMPLE = (
    "eyJhbGciOiJIUzI1NiJ9.eyJsb2dpbiI6Ii4uLiJ9.c2lnbmF0dXJl"  # pragma: allowlist secret
)

TOKENS_BODY = Body(
    "Tokens",
    "The tokens of a login.",
    Field(
        "token_type",
        TEXT,
        "Bearer",
        at=(),
        made=lambda reader: "Bearer",
        about="Always Bearer.",
    ),
    Field("access", TEXT, JWT_EXAMPLE, about="For the Authorization header."),
    Field("access_expires_at", TIME, "2026-11-23T10:10:00Z"),
    Field("refresh", TEXT, JWT_EXAMPLE, about="For new tokens; can be used once."),
    Field("refresh_expires_at", TIME, "2026-11-24T10:00:00Z"),
)

MY_PROJECT_BODY = Body(
    "MyProject",
    "",
    Field("id", ID, PROJECT_ID),
    Field("name", TEXT, "web-shop"),
    Field("role", one_of(Role), "member", at="id", made=role_in),
)

MY_TOKEN_BODY = Body(
    "MyToken",
    "",
    Field("id", ID, "70ce5a57-6f0c-4c1e-9d0a-3a3f1d1b2c11"),
    Field("name", TEXT, "terraform"),
    Field("project", ID, PROJECT_ID, at="project_id"),
    Field("role", one_of(Role), "member", at="project_id", made=role_in),
    Field("expires_at", TIME, AT, null=True),
)

ME_BODY = Body(
    "Me",
    "Who sent the request, and in which projects they have a role.",
    Field("id", NUMBER, 7),
    Field("username", TEXT, "alice"),
    Field(
        "is_operator",
        FLAG,
        False,
        about="Whether the account's own permissions apply in all projects.",
    ),
    Field("projects", Many(MY_PROJECT_BODY), [MY_PROJECT_BODY.example]),
    Field(
        "token",
        MY_TOKEN_BODY,
        None,
        null=True,
        about="The API token of the request, if it has one.",
    ),
)
