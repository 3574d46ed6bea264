"""Thousands of networks and of all that belongs to them in PostgreSQL."""

from typing import Any

from django.db import connection

from compute.models import Project
from tests.support.factories import ProjectFactory

#: Of each kind.
ROWS = 5_000
PROJECTS = 20

_MANY = """
CREATE TEMPORARY TABLE many_nets ON COMMIT DROP AS
SELECT n, gen_random_uuid() AS net, gen_random_uuid() AS grp, gen_random_uuid() AS vm,
    gen_random_uuid() AS port, owners[1 + n %% array_length(owners, 1)] AS project,
    now() - random() * interval '90 days' AS created_at
FROM generate_series(1, %(rows)s) n, (SELECT %(projects)s::uuid[] AS owners) p;
"""
_COMMON = (
    "id, version, created_at, updated_at, name, labels, counted, cloud, description,"
    " project_id, status, provider_id"
)
_VALUES = """{id}, 1, created_at, created_at + random() * interval '1 day',
    substr(md5(n::text), 1, 12), jsonb_build_object('env', (ARRAY['prod', 'test'])[1 + n % 2]),
    true, 'default', '', project, CASE WHEN n % 1000 = 0 THEN 'ERROR' ELSE 'ACTIVE' END,
    n::text"""

#: Table -> its id, and its own columns with what is in them.
_TABLES: dict[str, tuple[str, dict[str, str]]] = {
    "compute_network": (
        "net",
        {
            "shared": "false",
            "external": "n % 1000 = 0",
            "default": "false",
            "subnets": "'[]'",
        },
    ),
    "compute_router": ("gen_random_uuid()", {"subnets": "'[]'"}),
    "compute_subnet": (
        "gen_random_uuid()",
        {
            "network_id": "net",
            "cidr": "'10.1.0.0/24'",
            "ip_version": "4",
            "dns_nameservers": "'[]'",
            "dhcp": "true",
            "allocation_pools": "'[]'",
        },
    ),
    "compute_floatingip": (
        "gen_random_uuid()",
        {"network_id": "net", "address": "host('198.18.0.0'::inet + n)"},
    ),
    "compute_securitygroup": ("grp", {"stateful": "true", "rules": "'[]'"}),
    "compute_securitygrouprule": (
        "gen_random_uuid()",
        {
            "group_id": "grp",
            "direction": "CASE WHEN n % 1000 = 0 THEN 'egress' ELSE 'ingress' END",
            "ip_version": "4",
            "key": "n::text",
        },
    ),
}


def make_many_networks() -> list[Project]:
    """Make as many rows of each kind, and return their projects."""
    projects: list[Project] = ProjectFactory.create_batch(PROJECTS)
    values: dict[str, Any] = {
        "rows": ROWS,
        "projects": [project.pk for project in projects],
    }
    with connection.cursor() as cursor:
        cursor.execute(_MANY, values)
        for table, (id, own) in _TABLES.items():
            names = ", ".join(f'"{name}"' for name in own)
            cursor.execute(
                f"INSERT INTO {table} ({_COMMON}, {names})"  # noqa: S608  # our own names
                f" SELECT {_VALUES.format(id=id)}, {', '.join(own.values())}"
                " FROM many_nets"
            )
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(f"ANALYZE {', '.join(_TABLES)}")
    return projects
