"""The site of the console: every page of it takes the parameters that it knows."""

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any, TypeVar, cast

from django.contrib.admin import AdminSite
from django.contrib.auth.views import PasswordChangeView
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse

from compute.admin.console import health, overview, parameters
from compute.admin.console.display import NONE
from compute.admin.console.passwords import OwnPasswordForm
from compute.admin.console.refusals import bad_request

#: Of Django's site, but unused here: nothing has a page elsewhere.
UNUSED = frozenset({"view_on_site"})
#: View -> what checks its address; a list knows its parameters and checks them itself.
CHECKS: Mapping[str, Callable[[HttpRequest], None]] = {
    "changelist_view": lambda request: None,
    "csv_view": lambda request: None,
    "autocomplete_view": parameters.check_suggestions,
}

#: The navigation: group -> the models in it.
GROUPS: Mapping[str, Sequence[str]] = {
    "Compute": ("VM", "Snapshot", "Keypair", "Operation", "Batch"),
    "Network": (
        *("Network", "Subnet", "Router", "FloatingIP"),
        *("SecurityGroup", "SecurityGroupRule"),
    ),
    "Catalogue": ("Cloud", "Flavor", "Image"),
    "Access": ("Project", "User", "Group", "APIToken", "Login"),
    "Audit": ("Event", "Webhook", "Delivery"),
}

View = TypeVar("View", bound=Callable[..., HttpResponseBase])


class Console(AdminSite):
    site_header = "VM Manager"
    site_title = "VM Manager"
    index_title = "Overview"
    empty_value_display = NONE
    # The API and its documentation have links of their own: templates/admin/base_site.html.
    site_url = None

    def __init__(self, name: str = "admin") -> None:
        super().__init__(name)
        # Rows are never removed: what has a "delete" has one of its own.
        self.disable_action("delete_selected")

    def get_urls(self) -> list[Any]:
        return [
            path("overview/", self.admin_view(overview.view), name="overview"),
            *(
                pattern
                for pattern in super().get_urls()
                if not (isinstance(pattern, URLPattern) and pattern.name in UNUSED)
            ),
        ]

    def index(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        context = {**overview.overview(request), **(extra_context or {})}
        return super().index(request, context)

    def get_app_list(self, request: HttpRequest, app_label: Any = None) -> list[Any]:
        """Return the groups of the navigation, as Django has its apps."""
        apps = super().get_app_list(request, app_label)
        models = {row["object_name"]: row for app in apps for row in app["models"]}
        return [
            {
                "name": name,
                "app_label": name.lower(),
                "has_module_perms": True,
                "models": [models[model] for model in known if model in models],
            }
            for name, known in GROUPS.items()
            if not models.keys().isdisjoint(known)
        ]

    def app_index(
        self, request: HttpRequest, app_label: str, extra_context: Any = None
    ) -> Any:
        """Lead from Django's page of an app, which has no groups, to the overview."""
        return redirect("admin:index")

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        context = super().each_context(request)
        return {**context, "stale_clouds": health.stale_clouds(request)}

    def password_change(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        """Change one's own password; Django's site offers no other form for it."""
        request.current_app = self.name
        change = PasswordChangeView.as_view(
            form_class=OwnPasswordForm,
            template_name="registration/password_change_form.html",
            success_url=reverse("admin:password_change_done"),
            extra_context={**self.each_context(request), **(extra_context or {})},
        )
        return change(request)

    def admin_view(self, view: View, cacheable: bool = False) -> View:
        """Refuse an address with parameters that the page does not know."""
        check = CHECKS.get(view.__name__, parameters.check_page)

        @wraps(view)
        def closed(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            try:
                check(request)
                return view(request, *args, **kwargs)
            except parameters.UnknownParameterError as error:
                return bad_request(request, str(error))

        return super().admin_view(cast(View, closed), cacheable)
