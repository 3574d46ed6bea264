"""Give PostgreSQL indexes of parts of names and of addresses.

They need the extension pg_trgm. Without the right to create it the migration leaves them
out. To have them later: create the extension as a superuser, then `migrate compute 0003`
and `migrate`.
"""

import logging

from django.db import DatabaseError, ProgrammingError, migrations, transaction

log = logging.getLogger(__name__)

# The expressions are those of `IContains` and `HasAddress` in `compute.search`.
EXTENSION = "CREATE EXTENSION IF NOT EXISTS pg_trgm"
PARTS = r"""
CREATE INDEX vm_by_part_of_name ON compute_vm
    USING gin (upper(name) gin_trgm_ops) WITH (fastupdate = off);
CREATE INDEX vm_by_letters_of_name ON compute_vm
    USING gin (('z' || regexp_replace(upper(name), '(.)', '\1z', 'g')) gin_trgm_ops) WITH (fastupdate = off);
CREATE INDEX snapshot_by_part_of_name ON compute_snapshot
    USING gin (upper(name) gin_trgm_ops) WITH (fastupdate = off);
CREATE INDEX snapshot_by_letters_of_name ON compute_snapshot
    USING gin (('z' || regexp_replace(upper(name), '(.)', '\1z', 'g')) gin_trgm_ops) WITH (fastupdate = off);
CREATE INDEX vm_by_address ON compute_vm
    USING gin (translate((jsonb_path_query_array(addresses, '$[*].ip'))::text, '".:', 'qxz') gin_trgm_ops)
    WITH (fastupdate = off);
"""
# The extension may be somebody else's.
DROP_PARTS = """
DROP INDEX IF EXISTS vm_by_address;
DROP INDEX IF EXISTS snapshot_by_letters_of_name;
DROP INDEX IF EXISTS snapshot_by_part_of_name;
DROP INDEX IF EXISTS vm_by_letters_of_name;
DROP INDEX IF EXISTS vm_by_part_of_name;
"""


def create(apps, schema_editor):
    if schema_editor.connection.vendor != "postgresql":
        return
    try:
        with transaction.atomic(using=schema_editor.connection.alias):
            schema_editor.execute(EXTENSION, params=None)
    except DatabaseError as error:
        go_on_without(error)
        return
    try:
        with transaction.atomic(using=schema_editor.connection.alias):
            schema_editor.execute(PARTS, params=None)
    except ProgrammingError as error:
        # It is in a schema that is not looked into. A full disk, or a lock that is not to
        # be had, is no reason to go on: the migration can be repeated.
        go_on_without(error)


def go_on_without(error):
    log.warning(
        "Searches by a part of a name, or by address, have no index: %s. Create the "
        "extension pg_trgm as a superuser, then run `manage.py migrate compute 0003` "
        "and `manage.py migrate`.",
        str(error).partition("\n")[0],
    )


def remove(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(DROP_PARTS, params=None)


class Migration(migrations.Migration):

    dependencies = [
        ('compute', '0003_lists_at_scale'),
    ]

    operations = [
        migrations.RunPython(create, remove),
    ]
