"""Have PostgreSQL itself refuse to change or remove what stands in the log."""

from django.db import migrations

CREATE = """
CREATE FUNCTION compute_event_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'events are append-only' USING ERRCODE = 'integrity_constraint_violation';
END
$$;
CREATE TRIGGER compute_event_append_only BEFORE UPDATE OR DELETE ON compute_event
    FOR EACH ROW EXECUTE FUNCTION compute_event_append_only();
"""
DROP = """
DROP TRIGGER compute_event_append_only ON compute_event;
DROP FUNCTION compute_event_append_only();
"""


def run(sql):
    def execute(apps, schema_editor):
        if schema_editor.connection.vendor == "postgresql":
            schema_editor.execute(sql, params=None)

    return execute


class Migration(migrations.Migration):
    dependencies = [("compute", "0006_quotas_of_projects")]
    operations = [migrations.RunPython(run(CREATE), run(DROP))]
