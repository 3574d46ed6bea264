"""Logging in: a password for tokens, newer tokens for old ones, and who one is."""

from typing import Any

from django.core.validators import RegexValidator
from drf_spectacular.utils import extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from compute.api.http.fields import RequestBody, Text
from compute.api.http.guarded import GuardedView
from compute.bodies.logins import (
    JWT_EXAMPLE,
    ME_BODY,
    MY_PROJECT_BODY,
    MY_TOKEN_BODY,
    TOKENS_BODY,
)
from compute.models import APIToken, Project
from compute.services import logins

#: Longer than any token of ours; what is longer is not read at all.
MAX_TOKEN = 2048


class Credential(Text):
    """Kept as it was typed, but not empty and without NUL, which no database takes."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_length=1, **kwargs)
        self.validators.append(
            RegexValidator(r"\A[^\x00]*\Z", "Must not contain NUL characters.")
        )


class LogIn(RequestBody):
    example = {
        "username": "alice",
        # pragma: allowlist nextline secret
        "password": "correct horse battery staple",
    }

    username = Credential(max_length=150)
    password = Credential(max_length=4096, style={"input_type": "password"})


class Refresh(RequestBody):
    example = {"refresh": JWT_EXAMPLE}

    refresh = Credential(max_length=MAX_TOKEN)


class LoginView(GuardedView):
    """What needs no principal yet. Counted by address, and strictly."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    http_method_names = ("post",)
    policy = "auth"
    # A login is told so when its password is wrong.
    more_problems = {"post": (401,)}
    body_class: type[RequestBody]

    def body(self) -> dict[str, Any]:
        serializer = self.body_class(data=self.request.data)
        serializer.is_valid(raise_exception=True)
        return dict(serializer.validated_data)

    def shown(self, tokens: logins.Tokens) -> Response:
        return Response(TOKENS_BODY.show(tokens), headers={"Cache-Control": "no-store"})


class Tokens(LoginView):
    body_class = LogIn

    @extend_schema(
        operation_id="auth_tokens_obtain",
        tags=["auth"],
        request=LogIn,
        responses=TOKENS_BODY,
    )
    def post(self, request: Request) -> Response:
        """Log in: name and password for an access and a refresh token."""
        body, actor = self.body(), self.actor
        user = logins.check_password(body["username"], body["password"], actor=actor)
        return self.shown(
            logins.begin_tokens(
                user, actor=actor, user_agent=request.headers.get("User-Agent", "")
            )
        )


class TokensRefresh(LoginView):
    body_class = Refresh

    @extend_schema(
        operation_id="auth_tokens_refresh",
        tags=["auth"],
        request=Refresh,
        responses=TOKENS_BODY,
    )
    def post(self, request: Request) -> Response:
        """Exchange a refresh token for new tokens.

        Repeated within 10 seconds, it answers with the same tokens. A later use ends
        the login.
        """
        return self.shown(logins.refresh(self.body()["refresh"], actor=self.actor))


class TokensRevoke(LoginView):
    body_class = Refresh

    @extend_schema(
        operation_id="auth_tokens_revoke",
        tags=["auth"],
        request=Refresh,
        responses={204: None},
    )
    def post(self, request: Request) -> Response:
        """Log out: all tokens of the login end at once."""
        logins.end(self.body()["refresh"], actor=self.actor)
        return Response(status=204)


class Me(GuardedView):
    http_method_names = ("get", "head")

    @extend_schema(operation_id="auth_me", tags=["auth"], responses=ME_BODY)
    def get(self, request: Request) -> Response:
        """Return who you are, and your role in each of your projects."""
        user, access, reader = request.user, self.access, self.reader
        projects = Project.objects.alive().filter(pk__in=access.grants).order_by("name")
        used = access.token
        token = APIToken.objects.get(pk=used.id) if used else None
        me = {
            "id": user.pk,
            "username": user.get_username(),
            "is_operator": token is None and user.is_staff,
            "projects": [MY_PROJECT_BODY.show(row, reader) for row in projects],
            "token": token and MY_TOKEN_BODY.show(token, reader),
        }
        return Response(ME_BODY.show(me))
