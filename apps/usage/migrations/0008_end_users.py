"""Sums by end user and day, of what is recorded already as well; rollups lose indexes that others of theirs begin with."""

import django.db.models.deletion
from django.db import migrations, models

import apps.common.money

FORWARD = """
INSERT INTO usage_usageenduserday (account_id, day, end_user, model, requests, failed_requests, input_tokens,
  cached_input_tokens, output_tokens, reasoning_tokens, searches, cost)
SELECT account_id, day, CASE WHEN place <= 10000 THEN end_user ELSE '' END, model, sum(requests), sum(failed_requests),
  sum(input_tokens), sum(cached_input_tokens), sum(output_tokens), sum(reasoning_tokens), sum(searches), sum(cost)
FROM (
  SELECT account_id, (started_at AT TIME ZONE 'UTC')::date AS day, end_user, model, count(*) AS requests,
    count(*) FILTER (WHERE outcome = 'failed') AS failed_requests, sum(input_tokens) AS input_tokens,
    sum(cached_input_tokens) AS cached_input_tokens, sum(output_tokens) AS output_tokens,
    sum(reasoning_tokens) AS reasoning_tokens, sum(searches) AS searches, sum(cost) AS cost,
    row_number() OVER (
      PARTITION BY account_id, (started_at AT TIME ZONE 'UTC')::date ORDER BY end_user, model
    ) AS place
  FROM usage_usageevent WHERE end_user <> '' GROUP BY 1, 2, 3, 4
) AS named GROUP BY 1, 2, 3, 4;
"""


def count(field: type[models.Field] = models.PositiveBigIntegerField, **options: int) -> models.Field:
    return field(default=0, **options)


def owner(to: str) -> models.ForeignKey:
    return models.ForeignKey(to, on_delete=django.db.models.deletion.PROTECT, related_name="+", db_index=False)


class Migration(migrations.Migration):
    dependencies = [("usage", "0007_events_by_month")]

    operations = [
        migrations.AlterField("usagehour", "account", owner("accounts.account")),
        migrations.AlterField("usagehour", "api_key", owner("keys.apikey")),
        migrations.AlterField("usageday", "account", owner("accounts.account")),
        migrations.AlterField("usageday", "api_key", owner("keys.apikey")),
        migrations.AlterField("usagecharge", "account", owner("accounts.account")),
        migrations.CreateModel(
            name="UsageEndUserDay",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("account", owner("accounts.account")),
                ("model", models.CharField(max_length=120)),
                ("requests", count()),
                ("failed_requests", count()),
                ("input_tokens", count()),
                ("cached_input_tokens", count()),
                ("output_tokens", count()),
                ("reasoning_tokens", count(db_default=0)),
                ("searches", count(db_default=0)),
                ("cost", count(apps.common.money.NanoField)),
                ("end_user", models.CharField(blank=True, max_length=120)),
                ("day", models.DateField(help_text="UTC")),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("account", "day", "end_user", "model"), name="usage_end_user_day_once"
                    )
                ]
            },
        ),
        migrations.RunSQL(FORWARD, migrations.RunSQL.noop),
    ]
