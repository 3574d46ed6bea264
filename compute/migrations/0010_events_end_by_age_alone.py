"""Have PostgreSQL let old events go, to the job that says how old, and refuse TRUNCATE."""

from django.db import migrations

FUNCTION = """
CREATE OR REPLACE FUNCTION compute_event_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    days text := current_setting('compute.event_retention_days', true);
BEGIN
    IF TG_OP = 'DELETE' AND days ~ '^[0-9]{1,6}$' THEN
        IF days::integer >= 30 AND OLD.created_at < now() - make_interval(days => days::integer) THEN
            RETURN OLD;
        END IF;
    END IF;
    RAISE EXCEPTION 'events are append-only' USING ERRCODE = 'integrity_constraint_violation';
END
$$;
CREATE TRIGGER compute_event_no_truncate BEFORE TRUNCATE ON compute_event
    FOR EACH STATEMENT EXECUTE FUNCTION compute_event_append_only();
"""
BEFORE = """
DROP TRIGGER compute_event_no_truncate ON compute_event;
CREATE OR REPLACE FUNCTION compute_event_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'events are append-only' USING ERRCODE = 'integrity_constraint_violation';
END
$$;
"""


def run(sql):
    def execute(apps, schema_editor):
        if schema_editor.connection.vendor == "postgresql":
            schema_editor.execute(sql, params=None)

    return execute


class Migration(migrations.Migration):
    dependencies = [("compute", "0009_repeats")]
    operations = [migrations.RunPython(run(FUNCTION), run(BEFORE))]
