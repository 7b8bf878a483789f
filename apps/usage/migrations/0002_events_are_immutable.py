"""An event, once written, can be neither changed nor deleted: the database refuses."""

from django.db import migrations

FORWARD = """
CREATE FUNCTION usage_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'usage events are append-only' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER usage_event_append_only BEFORE UPDATE OR DELETE ON usage_usageevent
  FOR EACH ROW EXECUTE FUNCTION usage_refuse_change();
"""
BACKWARD = """
DROP TRIGGER usage_event_append_only ON usage_usageevent;
DROP FUNCTION usage_refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [("usage", "0001_initial")]

    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
