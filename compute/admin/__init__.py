"""The operators' door: Django's admin, writing through services alone."""

from django.contrib import admin
from rest_framework_simplejwt.token_blacklist import admin as token_blacklist
from rest_framework_simplejwt.token_blacklist.models import (
    BlacklistedToken,
    OutstandingToken,
)

from compute.admin import (
    api_tokens,
    catalog,
    clouds,
    events,
    logins,
    operations,
    projects,
    snapshots,
    users,
    vms,
)

__all__ = [
    "api_tokens",
    "catalog",
    "clouds",
    "events",
    "logins",
    "operations",
    "projects",
    "snapshots",
    "token_blacklist",
    "users",
    "vms",
]

admin.site.site_header = "VM Manager"
admin.site.site_title = "VM Manager"
admin.site.index_title = "Operations"
# The API and its documentation have links of their own: templates/admin/base_site.html.
admin.site.site_url = None
# Rows are never removed: what has a "delete" has one of its own.
admin.site.disable_action("delete_selected")
# Used-up refresh tokens are the library's bookkeeping; its pages would show tokens. It
# is imported above so that it does not register them later.
admin.site.unregister((BlacklistedToken, OutstandingToken))
