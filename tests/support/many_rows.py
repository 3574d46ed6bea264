"""Tens of thousands of rows in PostgreSQL, for plans as it makes them of large tables."""

from typing import Any

from django.db import connection

from compute.models import Project
from tests.support.factories import FlavorFactory, ImageFactory, ProjectFactory

VMS = 20_000
#: A tenth of all is in the first.
PROJECTS = 20

# Names and times that have nothing to do with each other, and an address each. What is
# rare: one VM in a thousand is in RESCUE, none in RESIZE.
_VMS = """
CREATE TEMPORARY TABLE many ON COMMIT DROP AS
SELECT n, gen_random_uuid() AS vm, gen_random_uuid() AS operation,
    owners[CASE WHEN n %% 10 = 0 THEN 1 ELSE 2 + n %% (array_length(owners, 1) - 1) END] AS project,
    now() - random() * interval '90 days' AS created_at
FROM generate_series(1, %(vms)s) n, (SELECT %(projects)s::uuid[] AS owners) p;
INSERT INTO compute_vm (id, version, created_at, updated_at, name, labels, counted, cloud,
    description, project_id, delete_protection, user_data, user_data_encoding, flavor_name,
    flavor_id, image_name, image_id, keypair_name, vcpus, ram_mb, disk_gb, reserved_vcpus,
    reserved_ram_mb, reserved_disk_gb, status, observed_status, server_id, never_launched,
    addresses, networks, security_groups)
SELECT vm, 1, created_at, created_at + random() * interval '1 day',
    substr(md5(n::text), 1, 12), jsonb_build_object('env', (ARRAY['prod', 'test'])[1 + n %% 2]),
    true, 'default', '', project, false, '', 'plain', 'm1.small', %(flavor)s, 'cirros',
    %(image)s, '', 1, 512, 5, 0, 0, 0,
    CASE WHEN n %% 1000 = 0 THEN 'RESCUE' WHEN n %% 25 = 0 THEN 'ERROR' ELSE 'ACTIVE' END,
    'ACTIVE', n::text, false,
    jsonb_build_array(jsonb_build_object('ip', host('10.10.0.10'::inet + n), 'version', 4,
        'network', 'web', 'type', 'fixed', 'mac', 'fa:16:3e:' ||
        regexp_replace(lpad(to_hex(n), 6, '0'), '(..)(..)(..)', '\\1:\\2:\\3'))),
    '[]', '[]'
FROM many;
INSERT INTO compute_snapshot (id, version, created_at, updated_at, name, labels, counted,
    cloud, description, project_id, vm_id, status, image_provider_id)
SELECT gen_random_uuid(), 1, created_at, created_at, substr(md5(n::text), 1, 12),
    jsonb_build_object('env', (ARRAY['prod', 'test'])[1 + n %% 2]), true, 'default', '',
    project, vm, CASE WHEN n %% 1000 = 0 THEN 'ERROR' ELSE 'AVAILABLE' END, ''
FROM many;
INSERT INTO compute_operation (id, type, status, cloud, target_kind, target_id, related_kind,
    params, from_status, end_status, requested_by, request_id, step, progress,
    cancel_requested, attempts, failures, deadline, call, receipt, created_at, updated_at,
    finished_at, project_id)
SELECT operation, CASE WHEN n %% 1000 = 0 THEN 'vm.rescue' ELSE 'vm.start' END,
    CASE WHEN n %% 1000 = 0 THEN 'FAILED' ELSE 'SUCCEEDED' END, 'default', 'vm', vm, '', '{}',
    '', '', 'user:alice', '', '', 100, false, 1, 0, created_at, '', '', created_at,
    created_at, created_at, project
FROM many;
INSERT INTO compute_event (id, sequence, type, outcome, subject_kind, subject_id, related_kind,
    actor, token, request_id, data, created_at, operation_id, project_id)
SELECT gen_random_uuid(), n, CASE WHEN n %% 1000 = 0 THEN 'vm.drifted' ELSE 'vm.updated' END,
    CASE WHEN n %% 1000 = 0 THEN 'REFUSED' ELSE 'SUCCEEDED' END, 'vm', vm, '',
    CASE WHEN n %% 1000 = 0 THEN 'user:bob' ELSE 'system' END, '', 'req-' || n, '{}',
    created_at, operation, project
FROM many;
SET CONSTRAINTS ALL IMMEDIATE;
ANALYZE compute_vm, compute_snapshot, compute_operation, compute_event;
"""


def make_many(vms: int = VMS) -> list[Project]:
    """Make as many rows of each kind, and return their projects."""
    projects = ProjectFactory.create_batch(PROJECTS)
    values: dict[str, Any] = {
        "vms": vms,
        "projects": [project.pk for project in projects],
        "flavor": FlavorFactory.create(name="m1.small").pk,
        "image": ImageFactory.create(name="cirros").pk,
    }
    with connection.cursor() as cursor:
        cursor.execute(_VMS, values)
    return projects
