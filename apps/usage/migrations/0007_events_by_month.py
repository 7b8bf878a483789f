"""Events stand in a table for each month (decision 17). None is lost on the way: they are counted before and after."""

import django.db.models.deletion
from django.db import migrations, models

FORWARD = """
SET LOCAL lock_timeout = '30s';
LOCK TABLE usage_usageevent IN ACCESS EXCLUSIVE MODE;
ALTER TABLE usage_usageevent RENAME TO usage_usageevent_before;

CREATE TABLE usage_usagerequest (request_id varchar(64) PRIMARY KEY);
CREATE TABLE usage_usageevent (LIKE usage_usageevent_before INCLUDING DEFAULTS INCLUDING CONSTRAINTS)
  PARTITION BY RANGE (started_at);
CREATE TABLE usage_usageevent_default PARTITION OF usage_usageevent DEFAULT;

-- A request's id is its own for ever, whatever month it says that it is of. Triggers that see all rows of a statement are
-- not handed down, and run only for the table that the statement names: each has one.
CREATE FUNCTION usage_note_requests() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO usage_usagerequest (request_id) SELECT request_id FROM added;
  RETURN NULL;
END $$;
CREATE FUNCTION usage_keep_requests_unique(events text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('CREATE TRIGGER usage_event_once AFTER INSERT ON %I REFERENCING NEW TABLE AS added '
                 'FOR EACH STATEMENT EXECUTE FUNCTION usage_note_requests()', events);
END $$;

-- Makes the table of the month that holds a day (UTC), unless it is there; whether it was made. What came before its
-- table was there, and so stands in the default one, moves into it.
CREATE FUNCTION usage_make_month(day date) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  month CONSTANT text = format('usage_usageevent_%s', to_char(day, 'YYYY_MM'));
  since CONSTANT timestamptz = date_trunc('month', day::timestamp) AT TIME ZONE 'UTC';
  until CONSTANT timestamptz = (date_trunc('month', day::timestamp) + interval '1 month') AT TIME ZONE 'UTC';
BEGIN
  IF to_regclass(month) IS NOT NULL THEN
    RETURN false;
  END IF;
  EXECUTE format('CREATE TABLE %I (LIKE usage_usageevent INCLUDING ALL)', month);
  LOCK TABLE usage_usageevent_default IN ACCESS EXCLUSIVE MODE;
  IF EXISTS (SELECT FROM usage_usageevent_default WHERE started_at >= since AND started_at < until) THEN
    ALTER TABLE usage_usageevent_default DISABLE TRIGGER usage_event_append_only;
    EXECUTE format('WITH moved AS (DELETE FROM usage_usageevent_default WHERE started_at >= $1 AND started_at < $2 '
                   'RETURNING *) INSERT INTO %I SELECT * FROM moved', month) USING since, until;
    ALTER TABLE usage_usageevent_default ENABLE TRIGGER usage_event_append_only;
  END IF;
  EXECUTE format('ALTER TABLE usage_usageevent ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', month, since, until);
  PERFORM usage_keep_requests_unique(month);
  RETURN true;
END $$;

DO $$
DECLARE
  moved bigint;
BEGIN
  PERFORM usage_make_month(day::date) FROM (
    SELECT DISTINCT date_trunc('month', started_at, 'UTC') AT TIME ZONE 'UTC' FROM usage_usageevent_before
    UNION SELECT (now() AT TIME ZONE 'UTC') + ahead * interval '1 month' FROM generate_series(0, 3) AS ahead
  ) AS months (day);
  INSERT INTO usage_usageevent SELECT * FROM usage_usageevent_before;
  GET DIAGNOSTICS moved = ROW_COUNT;
  IF moved <> (SELECT count(*) FROM usage_usageevent_before) THEN
    RAISE EXCEPTION 'of % events only % would be moved',
      (SELECT count(*) FROM usage_usageevent_before), moved;
  END IF;
  INSERT INTO usage_usagerequest SELECT request_id FROM usage_usageevent ORDER BY request_id;
END $$;

CREATE SEQUENCE usage_usageevent_number;
SELECT setval('usage_usageevent_number', (SELECT coalesce(max(id), 0) + 1 FROM usage_usageevent), false);
DROP TABLE usage_usageevent_before;
ALTER SEQUENCE usage_usageevent_number RENAME TO usage_usageevent_id_seq;
ALTER SEQUENCE usage_usageevent_id_seq OWNED BY usage_usageevent.id;
ALTER TABLE usage_usageevent ALTER id SET DEFAULT nextval('usage_usageevent_id_seq');

ALTER TABLE usage_usageevent ADD PRIMARY KEY (id, started_at);
CREATE INDEX event_request ON usage_usageevent (request_id varchar_pattern_ops);
CREATE INDEX event_account_time ON usage_usageevent (account_id, started_at DESC);
CREATE INDEX event_key_time ON usage_usageevent (api_key_id, started_at DESC);
CREATE INDEX event_project_time ON usage_usageevent (project_id, started_at DESC);
CREATE INDEX event_model_time ON usage_usageevent (account_id, model, started_at DESC);
ALTER TABLE usage_usageevent
  ADD CONSTRAINT usage_usageevent_account_fk FOREIGN KEY (account_id)
    REFERENCES accounts_account (id) DEFERRABLE INITIALLY DEFERRED,
  ADD CONSTRAINT usage_usageevent_project_fk FOREIGN KEY (project_id)
    REFERENCES accounts_project (id) DEFERRABLE INITIALLY DEFERRED,
  ADD CONSTRAINT usage_usageevent_api_key_fk FOREIGN KEY (api_key_id)
    REFERENCES keys_apikey (id) DEFERRABLE INITIALLY DEFERRED,
  ADD CONSTRAINT usage_usageevent_price_version_fk FOREIGN KEY (price_version_id)
    REFERENCES catalog_priceversion (id) DEFERRABLE INITIALLY DEFERRED;

SELECT usage_keep_requests_unique('usage_usageevent'), usage_keep_requests_unique('usage_usageevent_default');
CREATE TRIGGER usage_event_append_only BEFORE UPDATE OR DELETE ON usage_usageevent
  FOR EACH ROW EXECUTE FUNCTION usage_refuse_change();
CREATE TRIGGER usage_request_append_only BEFORE UPDATE OR DELETE ON usage_usagerequest
  FOR EACH ROW EXECUTE FUNCTION usage_refuse_change();
"""

BACKWARD = """
LOCK TABLE usage_usageevent IN ACCESS EXCLUSIVE MODE;
ALTER TABLE usage_usageevent RENAME TO usage_usageevent_by_month;
CREATE TABLE usage_usageevent (LIKE usage_usageevent_by_month INCLUDING DEFAULTS INCLUDING CONSTRAINTS);
ALTER TABLE usage_usageevent ALTER id DROP DEFAULT;
INSERT INTO usage_usageevent SELECT * FROM usage_usageevent_by_month;
DROP TABLE usage_usageevent_by_month;
DROP TABLE usage_usagerequest;
DROP FUNCTION usage_make_month, usage_keep_requests_unique, usage_note_requests;

ALTER TABLE usage_usageevent ALTER id ADD GENERATED BY DEFAULT AS IDENTITY;
SELECT setval(pg_get_serial_sequence('usage_usageevent', 'id'),
  (SELECT coalesce(max(id), 0) + 1 FROM usage_usageevent), false);
ALTER TABLE usage_usageevent ADD PRIMARY KEY (id),
  ADD CONSTRAINT usage_usageevent_request_id_key UNIQUE (request_id),
  ADD CONSTRAINT usage_usageevent_account_fk FOREIGN KEY (account_id)
    REFERENCES accounts_account (id) DEFERRABLE INITIALLY DEFERRED,
  ADD CONSTRAINT usage_usageevent_project_fk FOREIGN KEY (project_id)
    REFERENCES accounts_project (id) DEFERRABLE INITIALLY DEFERRED,
  ADD CONSTRAINT usage_usageevent_api_key_fk FOREIGN KEY (api_key_id)
    REFERENCES keys_apikey (id) DEFERRABLE INITIALLY DEFERRED,
  ADD CONSTRAINT usage_usageevent_price_version_fk FOREIGN KEY (price_version_id)
    REFERENCES catalog_priceversion (id) DEFERRABLE INITIALLY DEFERRED;
CREATE INDEX event_account_time ON usage_usageevent (account_id, started_at DESC);
CREATE INDEX event_key_time ON usage_usageevent (api_key_id, started_at DESC);
CREATE INDEX usage_usageevent_request_id_like ON usage_usageevent (request_id varchar_pattern_ops);
CREATE INDEX usage_usageevent_account_id ON usage_usageevent (account_id);
CREATE INDEX usage_usageevent_project_id ON usage_usageevent (project_id);
CREATE INDEX usage_usageevent_api_key_id ON usage_usageevent (api_key_id);
CREATE INDEX usage_usageevent_price_version_id ON usage_usageevent (price_version_id);
CREATE TRIGGER usage_event_append_only BEFORE UPDATE OR DELETE ON usage_usageevent
  FOR EACH ROW EXECUTE FUNCTION usage_refuse_change();
"""


def owner(to: str, *, null: bool = False) -> models.ForeignKey:
    return models.ForeignKey(
        to, on_delete=django.db.models.deletion.PROTECT, null=null, related_name="+", db_index=False
    )


class Migration(migrations.Migration):
    dependencies = [
        ("usage", "0006_reasoning_and_searches"),
        ("accounts", "0005_account_credit"),
        ("catalog", "0003_rerank_models"),
        ("keys", "0001_initial"),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunSQL(FORWARD, BACKWARD)],
            state_operations=[
                migrations.CreateModel(
                    name="UsageRequest",
                    fields=[("request_id", models.CharField(max_length=64, primary_key=True, serialize=False))],
                ),
                migrations.AlterField("usageevent", "request_id", models.CharField(max_length=64)),
                migrations.AlterField("usageevent", "account", owner("accounts.account")),
                migrations.AlterField("usageevent", "project", owner("accounts.project")),
                migrations.AlterField("usageevent", "api_key", owner("keys.apikey")),
                migrations.AlterField("usageevent", "price_version", owner("catalog.priceversion", null=True)),
                migrations.AddIndex(
                    "usageevent",
                    models.Index(fields=["request_id"], name="event_request", opclasses=["varchar_pattern_ops"]),
                ),
                migrations.AddIndex(
                    "usageevent", models.Index(fields=["project", "-started_at"], name="event_project_time")
                ),
                migrations.AddIndex(
                    "usageevent", models.Index(fields=["account", "model", "-started_at"], name="event_model_time")
                ),
            ],
        ),
    ]
