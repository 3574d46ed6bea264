"""Groups of operators that a new service begins with."""

from typing import Any

from django.apps import apps as installed
from django.contrib.auth.management import create_permissions
from django.db import transaction

from compute.access import named
from compute.permissions import GROUPS

#: Came in the same version as the groups: where it is new, they are missing.
_FIRST = "compute.operate_vm"


def follow_table(*, using: str, apps: Any = installed, **_: Any) -> None:
    """Create the groups, once; give them later what is new in the table of permissions.

    A permission goes to its groups in the migrate that creates it, and never again: so
    what operators change in a group, or that they delete it, outlasts every migrate.
    """
    try:
        permissions = apps.get_model("auth", "Permission").objects.using(using)
        groups = apps.get_model("auth", "Group").objects.using(using)
    except LookupError:  # a migrate that ends before there are any
        return
    with transaction.atomic(using=using):
        before = set(permissions.values_list("pk", flat=True))
        # Django does so after each migrate, too, but for `auth` only after this.
        for label in ("compute", "auth"):
            config = installed.get_app_config(label)
            create_permissions(config, verbosity=0, using=using, apps=apps)
        new = permissions.exclude(pk__in=before)
        is_first = named(new, {_FIRST}).exists()
        for name, names in GROUPS.items():
            group = groups.filter(name=name).first()
            if group is not None and not is_first:
                group.permissions.add(*named(new, names))
            elif group is None and is_first:
                groups.create(name=name).permissions.set(named(permissions, names))
