"""The operators' door: Django's admin, writing through services alone."""

from django.contrib import admin

from compute.admin import (
    catalog,
    clouds,
    events,
    operations,
    projects,
    snapshots,
    users,
    vms,
)

__all__ = [
    "catalog",
    "clouds",
    "events",
    "operations",
    "projects",
    "snapshots",
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
