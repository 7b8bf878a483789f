"""What each event cost against its tokens at the price of its own time, by account, day and model."""

from apps.billing.contracts import Explained, Finding
from apps.billing.services.reconciliation.comparing import Found, Scope, rows_of

# As the gateway counts it: cached tokens are part of the input, thoughts of the output; summed, divided and rounded up
# once; a batch pays half, rounded up.
STATEMENT = """
    WITH whole AS (
        SELECT e.account_id, (e.started_at AT TIME ZONE 'UTC')::date AS day, e.model, e.service_tier, e.cost,
          CASE WHEN p.id IS NULL THEN 0 ELSE e.searches * p.search_price::numeric + ceil((
            (e.input_tokens - e.cached_input_tokens) * p.input_price::numeric
            + e.cached_input_tokens * p.cached_input_price::numeric
            + (e.output_tokens - e.reasoning_tokens) * p.output_price::numeric
            + e.reasoning_tokens * coalesce(p.reasoning_price, p.output_price)::numeric
          ) / 1000000) END AS price
        FROM usage_usageevent e LEFT JOIN catalog_priceversion p ON p.id = e.price_version_id
        WHERE e.started_at >= %s AND e.started_at < %s
    ), compared AS (
        SELECT account_id, day, model,
          cost - CASE WHEN service_tier = 'batch' THEN ceil(price / 2) ELSE price END AS difference
        FROM whole
    ), grouped AS (
        SELECT account_id, day, model, count(*) AS number,
          coalesce(sum(difference) FILTER (WHERE difference > 0), 0) AS dearer,
          coalesce(sum(difference) FILTER (WHERE difference < 0), 0) AS cheaper,
          count(*) FILTER (WHERE difference < 0) AS times
        FROM compared GROUP BY 1, 2, 3
    )
    SELECT counted.number, o.slug, g.day, g.model, g.dearer, g.cheaper, g.times
    FROM (SELECT coalesce(sum(number), 0) AS number FROM grouped) counted
    LEFT JOIN grouped g ON g.dearer <> 0 OR g.cheaper <> 0
    LEFT JOIN accounts_account o ON o.id = g.account_id
    ORDER BY g.day, o.slug, g.model"""


def events_and_prices(scope: Scope) -> Found:
    rows = rows_of(STATEMENT, [scope.begin, scope.end])
    found = Found(compared=int(rows[0][0]))
    for _, slug, day, model, dearer, cheaper, times in rows:
        where = f"{slug} {day} {model}"
        if dearer:
            found.findings.append(Finding(what="dearer_than_its_price", where=where, difference=int(dearer)))
        if cheaper:
            why = (
                f"{times:,} requests cost less than their tokens: a request pays no more than was held for it when it "
                "was admitted, and what was paid for once already is free"
            )
            found.explained.append(
                Explained(what="cheaper_than_its_price", where=where, difference=int(cheaper), why=why)
            )
    return found
