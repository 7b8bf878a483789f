"""Charges of what was recorded before there were any."""

from django.db import migrations

FORWARD = """
INSERT INTO usage_usagecharge (account_id, hour, model, price_version_id, service_tier, requests, failed_requests,
  input_tokens, cached_input_tokens, output_tokens, cost)
SELECT account_id, date_trunc('hour', started_at, 'UTC'), model, price_version_id, service_tier, count(*),
  count(*) FILTER (WHERE outcome = 'failed'), sum(input_tokens), sum(cached_input_tokens), sum(output_tokens), sum(cost)
FROM usage_usageevent GROUP BY 1, 2, 3, 4, 5;
"""


class Migration(migrations.Migration):
    dependencies = [("usage", "0004_usagecharge")]
    operations = [migrations.RunSQL(FORWARD, "DELETE FROM usage_usagecharge")]
