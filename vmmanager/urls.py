"""Where each door of the service is mounted."""

from django.contrib import admin
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt
from django.views.generic import RedirectView

from compute.admin.console.login import LoginView, LogoutView
from compute.api.health import Health, Ready
from compute.api.http import problem_pages

urlpatterns = [
    # First, as they are asked for most: the others are tried one after the other.
    path("health", Health.as_view(), name="health"),
    path("api/v1/", include("compute.api.urls")),
    path("health/ready", Ready.as_view(), name="ready"),
    path("", RedirectView.as_view(pattern_name="root")),
    path("problems", problem_pages.index, name="problems"),
    path("problems/<slug:code>", problem_pages.page, name="problem"),
    # APPEND_SLASH is off, for the API's sake.
    path("admin", RedirectView.as_view(pattern_name="admin:index")),
    # Before those of the admin, whose names they keep: everybody logs in here.
    # It counts an attempt, and only then reads it and checks that it is of a page of ours.
    path("admin/login/", csrf_exempt(LoginView.as_view())),
    path("admin/logout/", LogoutView.as_view()),
    path("admin/", admin.site.urls),
]

handler403 = "compute.admin.console.refusals.forbidden"
