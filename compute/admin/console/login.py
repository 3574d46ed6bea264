"""Logging in and out with a browser: one page for the console and the API's pages."""

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.contrib.auth import logout
from django.contrib.auth import views as auth_views
from django.contrib.auth.forms import AuthenticationForm
from django.core.exceptions import ValidationError
from django.forms import CharField, PasswordInput
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse

from compute import throttling
from compute.addresses import client_address, network_of
from compute.admin.console.operators import actor_of, refusal
from compute.errors import Problem, RateLimited
from compute.models import Login, LoginKind
from compute.services import logins
from compute.services.logins import SESSION_KEY


class LoginForm(AuthenticationForm):
    """A name and a password, checked by the service."""

    password = CharField(
        strip=False,
        max_length=4096,
        widget=PasswordInput(attrs={"autocomplete": "current-password"}),
    )
    request: HttpRequest
    #: Why it is not even looked at.
    refused: RateLimited | None = None

    def clean(self) -> dict[str, Any]:
        if self.refused is not None:
            raise ValidationError(refusal(self.refused))
        name = self.cleaned_data.get("username")
        password = self.cleaned_data.get("password")
        if name and password:
            actor = actor_of(self.request)
            try:
                self.user_cache = logins.check_password(name, password, actor=actor)
            except RateLimited as problem:
                self.refused = problem
                raise ValidationError(refusal(problem)) from problem
            except Problem as problem:
                raise ValidationError(problem.detail) from problem
        return self.cleaned_data


class LoginView(auth_views.LoginView):
    """Operators go on to the console, everybody else to the pages of the API."""

    template_name = "admin/login.html"
    authentication_form = LoginForm

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Show the form, but not to who is in already and may go on."""
        if request.user.is_authenticated and self._may_go_on():
            return HttpResponseRedirect(self.get_success_url())
        return super().get(request, *args, **kwargs)

    def dispatch(
        self, request: HttpRequest, *args: Any, **kwargs: Any
    ) -> HttpResponseBase:
        """Count an attempt by its address, as the API does, before reading it."""
        if request.method == "POST":
            standing = throttling.count("auth", network_of(client_address(request)))
            if standing is not None and not standing.admitted:
                return self.refused(standing.refusal())
        return super().dispatch(request, *args, **kwargs)

    def refused(self, problem: RateLimited) -> HttpResponse:
        self.request.POST = QueryDict()  # what was sent is not read
        form = LoginForm(self.request, data={})
        for field in form.fields.values():
            field.required = False
        form.refused = problem
        return self.form_invalid(form)

    def form_invalid(self, form: Any) -> HttpResponse:
        response = super().form_invalid(form)
        if form.refused is not None:
            response.status_code = form.refused.status
            response.headers["Retry-After"] = str(form.refused.retry_after)
        return response

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        # Of who was in before: its session ends here, too.
        _end(self.request)
        response = super().form_valid(form)
        login = logins.begin(
            form.get_user(),
            kind=LoginKind.BROWSER,
            actor=actor_of(self.request),
            user_agent=self.request.headers.get("User-Agent", ""),
            lifetime=timedelta(seconds=settings.BROWSER_LOGIN_SECONDS),
        )
        self.request.session[SESSION_KEY] = str(login.pk)
        return response

    def get_default_redirect_url(self) -> str:
        return reverse("admin:index" if self._is_staff() else "root")

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context = super().get_context_data(**kwargs)
        return {
            **admin.site.each_context(self.request),
            **context,
            "title": "Log in",
            "subtitle": None,
            "app_path": self.request.get_full_path(),
            "username": self.request.user.get_username(),
        }

    def _is_staff(self) -> bool:
        return admin.site.has_permission(self.request)

    def _may_go_on(self) -> bool:
        # The console sends who is no operator here, and would again.
        return self._is_staff() or not self.get_success_url().startswith(
            reverse("admin:index")
        )


class LogoutView(auth_views.LogoutView):
    """Ends the login, not only this browser's memory of it."""

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not request.user.is_authenticated:
            # The form, which says where to go on, is not read for nobody.
            return redirect(self.get_default_redirect_url())
        _end(request)
        logout(request)
        return redirect(self.get_success_url())

    def get_default_redirect_url(self) -> str:
        return reverse("admin:login")


def _end(request: HttpRequest) -> None:
    login_id = request.session.get(SESSION_KEY)
    login = Login.objects.filter(pk=uuid.UUID(login_id)).first() if login_id else None
    if login is not None:
        logins.revoke(login, actor=actor_of(request))


class BrowserLoginMiddleware:
    """Log a browser out when its login was revoked. One query, where there is one."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        # A session that nobody sent is not opened: the answer would vary with cookies.
        if settings.SESSION_COOKIE_NAME in request.COOKIES:
            login_id = request.session.get(SESSION_KEY)
            if login_id is not None and not logins.is_open(login_id):
                logout(request)
        return self.get_response(request)
