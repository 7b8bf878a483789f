"""What use cost against what the ledger has of it, by account, day and model; and the ledger against itself."""

import time
from datetime import datetime, timedelta

from django.utils import timezone

from apps.billing.contracts import Explained, Finding
from apps.billing.models import LedgerTransaction
from apps.billing.services.checks import check_ledger
from apps.billing.services.reconciliation.comparing import Found, Scope, rows_of
from apps.common.moments import hour_of

OVERDUE = timedelta(hours=1)  # after an hour's end: use of it is posted within minutes
SLOW = "charge_not_its_events"  # reads all events since ever; `recorded.py` compares those of the days asked for

CHARGES = """
    WITH charges AS (
        SELECT account_id, (hour AT TIME ZONE 'UTC')::date AS day, model, sum(posted) AS posted,
          sum(cost - posted) AS unposted, sum(cost - posted) FILTER (WHERE hour < %s) AS overdue
        FROM usage_usagecharge WHERE hour >= %s AND hour < %s GROUP BY 1, 2, 3
    ), postings AS (
        SELECT t.account_id, (t.occurred_at AT TIME ZONE 'UTC')::date AS day, c.model, sum(p.cost) AS cost
        FROM billing_postedcharge p
        JOIN billing_ledgertransaction t ON t.id = p.transaction_id
        JOIN usage_usagecharge c ON c.id = p.charge_id
        WHERE t.occurred_at >= %s AND t.occurred_at < %s GROUP BY 1, 2, 3
    ), ledger AS (
        SELECT t.account_id, (t.occurred_at AT TIME ZONE 'UTC')::date AS day, a.model, sum(e.amount) AS gained
        FROM billing_ledgertransaction t
        JOIN billing_ledgerentry e ON e.transaction_id = t.id
        JOIN billing_ledgeraccount a ON a.id = e.ledger_account_id AND a.kind = 'revenue'
        WHERE t.kind = 'usage' AND t.occurred_at >= %s AND t.occurred_at < %s GROUP BY 1, 2, 3
    ), joined AS (
        SELECT account_id, day, model, coalesce(c.posted, 0) AS posted, coalesce(c.unposted, 0) AS unposted,
          coalesce(c.overdue, 0) AS overdue, coalesce(p.cost, 0) AS postings, coalesce(l.gained, 0) AS gained
        FROM charges c
        FULL JOIN postings p USING (account_id, day, model)
        FULL JOIN ledger l USING (account_id, day, model)
    )
    SELECT counted.number, o.slug, j.day, j.model, j.posted, j.unposted, j.overdue, j.postings, j.gained
    FROM (SELECT count(*) AS number FROM joined) counted
    LEFT JOIN joined j ON j.posted <> j.postings OR j.posted <> j.gained OR j.unposted <> 0 OR j.overdue <> 0
    LEFT JOIN accounts_account o ON o.id = j.account_id
    ORDER BY j.day, o.slug, j.model"""

# Beyond what `check_ledger` proves: entries of a stranger, and promotional credit that is not what was granted.
OWNERS = """
    SELECT t.business_key, e.amount FROM billing_ledgerentry e
    JOIN billing_ledgertransaction t ON t.id = e.transaction_id
    JOIN billing_ledgeraccount a ON a.id = e.ledger_account_id
    WHERE a.account_id IS NOT NULL AND a.account_id <> t.account_id ORDER BY e.id"""
LOTS = """
    SELECT concat_ws(' ', o.slug, 'lot', l.id), coalesce(sum(e.amount), 0) - l.amount FROM billing_creditlot l
    JOIN accounts_account o ON o.id = l.account_id
    LEFT JOIN billing_ledgeraccount a ON a.lot_id = l.id
    LEFT JOIN (
      billing_ledgerentry e JOIN billing_ledgertransaction t ON t.id = e.transaction_id AND t.kind = 'grant'
    ) ON e.ledger_account_id = a.id
    GROUP BY l.id, o.slug HAVING coalesce(sum(e.amount), 0) <> l.amount ORDER BY l.id"""


def charges_and_ledger(scope: Scope) -> Found:
    """Use that seems overdue is looked at again: its event may have come late, just now, and is posted in a minute."""
    due = hour_of(timezone.now()) - OVERDUE
    found = _charges_and_ledger(scope, due)
    if any(finding.what == "use_not_posted" for finding in found.findings):
        time.sleep(scope.patience)
        found = _charges_and_ledger(scope, due)
    return found


def _charges_and_ledger(scope: Scope, due: datetime) -> Found:
    rows = rows_of(CHARGES, [due, *[scope.begin, scope.end] * 3])
    found = Found(compared=rows[0][0])
    for _, slug, day, model, posted, unposted, overdue, postings, gained in rows:
        if day is None:  # nothing differs
            continue
        where = f"{slug} {day} {model}"
        for what, difference in (
            ("ledger_not_its_charges", gained - posted),
            ("postings_not_their_charges", postings - posted),
            ("use_not_posted", -overdue),
        ):
            if difference:
                found.findings.append(Finding(what=what, where=where, difference=int(difference)))
        if unposted != overdue:
            why = "in flight: its hour is not over, or was over a moment ago, and is posted then"
            difference = int(overdue - unposted)
            found.explained.append(Explained(what="use_not_posted", where=where, difference=difference, why=why))
    return found


def ledger_and_itself(scope: Scope) -> Found:
    """All of it, whatever the days: it is proven from its entries."""
    found = Found(compared=LedgerTransaction.objects.count())
    found.findings += check_ledger(leave_out=() if scope.first is None else (SLOW,))
    for what, statement in (("entry_of_a_stranger", OWNERS), ("lot_not_its_grant", LOTS)):
        found.findings += [
            Finding(what=what, where=where, difference=int(difference)) for where, difference in rows_of(statement)
        ]
    return found
