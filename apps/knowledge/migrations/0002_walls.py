"""Row-level security around what documents say. apps/knowledge/walls.py enters; decision 0023."""

from django.db import migrations

TABLES = ("knowledge_passage", "knowledge_passagevector", "knowledge_term")
FORWARD = "SET LOCAL lock_timeout = '30s';" + "".join(
    f"""
ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
ALTER TABLE {table} FORCE ROW LEVEL SECURITY;
CREATE POLICY own_account ON {table}
  USING (account_id = (SELECT nullif(current_setting('artemis.account', true), '')::bigint));
""" for table in TABLES
)
BACKWARD = "".join(
    f"""
DROP POLICY own_account ON {table};
ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY;
ALTER TABLE {table} DISABLE ROW LEVEL SECURITY;
""" for table in TABLES
)
# Only where the platform connects as somebody whom no wall holds; a role belongs to the server, not to this database.
ROLE = """
DO $$
DECLARE walled text := session_user || '_walled';
BEGIN
  IF (SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = session_user) THEN
    BEGIN
      EXECUTE format('CREATE ROLE %I NOLOGIN', walled);
    EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
    END;
    EXECUTE format('GRANT %I TO %I', session_user, walled);
  END IF;
END $$;
"""


class Migration(migrations.Migration):

    dependencies = [("knowledge", "0001_vector_stores")]

    operations = [
        migrations.RunSQL(FORWARD, BACKWARD),
        migrations.RunSQL(ROLE, migrations.RunSQL.noop),
    ]
