"""Sums by hour and by day know their tier. Those in which another than the default was used are made anew from events."""

from django.db import migrations, models

SUMS = """
  count(*), count(*) FILTER (WHERE outcome = 'failed'), sum(input_tokens), sum(cached_input_tokens), sum(output_tokens),
  sum(reasoning_tokens), sum(searches), sum(cost)"""
PERIODS = (
    ("usage_usagehour", "hour", "date_trunc('hour', started_at, 'UTC')"),
    ("usage_usageday", "day", "(started_at AT TIME ZONE 'UTC')::date"),
)


def anew(table: str, period: str, of_event: str, tier: str) -> str:
    """By `tier`, an expression over an event."""
    return f"""
SET CONSTRAINTS ALL IMMEDIATE;
CREATE TEMPORARY TABLE regrouped ON COMMIT DROP AS
  SELECT DISTINCT api_key_id, model, {of_event} AS period FROM usage_usageevent WHERE service_tier <> 'default';
DELETE FROM {table} AS old USING regrouped
  WHERE old.api_key_id = regrouped.api_key_id AND old.model = regrouped.model AND old.{period} = regrouped.period;
INSERT INTO {table} (api_key_id, model, {period}, service_tier, account_id, project_id, requests, failed_requests,
  input_tokens, cached_input_tokens, output_tokens, reasoning_tokens, searches, cost)
SELECT api_key_id, model, period, {tier}, min(account_id), min(project_id), {SUMS}
FROM usage_usageevent JOIN regrouped USING (api_key_id, model) WHERE {of_event} = period GROUP BY 1, 2, 3, 4;
DROP TABLE regrouped;"""


FORWARD = "".join(anew(*period, tier="service_tier") for period in PERIODS)
BACKWARD = "".join(anew(*period, tier="'default'::text") for period in PERIODS)


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0006_letters'),
        ('keys', '0004_budgets_may_only_warn'),
        ('usage', '0008_end_users'),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name='usageday',
            name='usage_day_once',
        ),
        migrations.RemoveConstraint(
            model_name='usagehour',
            name='usage_hour_once',
        ),
        migrations.AddField(
            model_name='usageday',
            name='service_tier',
            field=models.CharField(db_default='default', default='default', max_length=12),
        ),
        migrations.AddField(
            model_name='usagehour',
            name='service_tier',
            field=models.CharField(db_default='default', default='default', max_length=12),
        ),
        migrations.AddConstraint(
            model_name='usageday',
            constraint=models.UniqueConstraint(fields=('api_key', 'model', 'day', 'service_tier'), name='usage_day_by_tier_once'),
        ),
        migrations.AddConstraint(
            model_name='usagehour',
            constraint=models.UniqueConstraint(fields=('api_key', 'model', 'hour', 'service_tier'), name='usage_hour_by_tier_once'),
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
