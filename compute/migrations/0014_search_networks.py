"""Index what addresses begin with, for searches by a network. On PostgreSQL alone."""

from django.db import migrations


# Of 10.1.2.3 they are ".", "10", "10.1", "10.1.2" and all of it; of fd00:1::2 ":", "fd00:"
# and "fd00:1:", up to four words. It is used by its name, in `compute.search`. Without the
# cost PostgreSQL would rather call it for every row than look into the index.
BEGINS = r"""
CREATE FUNCTION vm_address_begins(addresses jsonb) RETURNS text[]
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE COST 1000 AS $$
DECLARE
    ip text;
    parts text[];
    begins text[];
BEGIN
    FOR ip IN SELECT value #>> '{}' FROM jsonb_path_query(addresses, '$[*].ip') value LOOP
        IF ip ~ '^[0-9]{1,3}([.][0-9]{1,3}){3}$' THEN
            parts := string_to_array(ip, '.');
            begins := begins || ARRAY[
                '.', parts[1], parts[1] || '.' || parts[2],
                parts[1] || '.' || parts[2] || '.' || parts[3], ip
            ];
        ELSIF ip ~ '^[0-9a-f:.]{2,45}$' AND position(':' IN ip) > 0 THEN
            parts := string_to_array(split_part(ip, '::', 1), ':');
            begins := begins || ':'::text;
            FOR length IN 1 .. least(4, cardinality(parts)) LOOP
                begins := begins || (array_to_string(parts[:length], ':') || ':');
            END LOOP;
        END IF;
    END LOOP;
    RETURN begins;
END
$$;
CREATE INDEX vm_by_begin_of_address ON compute_vm
    USING gin (vm_address_begins(addresses)) WITH (fastupdate = off);
"""
DROP_BEGINS = """
DROP INDEX vm_by_begin_of_address;
DROP FUNCTION vm_address_begins;
"""


def on_postgresql(sql):
    def execute(apps, schema_editor):
        if schema_editor.connection.vendor == "postgresql":
            schema_editor.execute(sql, params=None)

    return execute


class Migration(migrations.Migration):

    dependencies = [
        ('compute', '0013_batches'),
    ]

    operations = [
        migrations.RunPython(on_postgresql(BEGINS), on_postgresql(DROP_BEGINS)),
    ]
