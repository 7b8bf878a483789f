"""Proves the ledger from its entries, and sets right what is only derived from them."""

from collections.abc import Collection

from django.db import connection, transaction
from django.db.models import Sum

from apps.billing.contracts import Finding
from apps.billing.ledger import Book
from apps.billing.models import Customer, LedgerAccount, PostedCharge

# Each is one statement, and so sees one state of the database, in which all of it must hold.
_CHECKS = {
    "transaction_unbalanced": """
        SELECT t.business_key, coalesce(sum(e.amount), 0) FROM billing_ledgertransaction t
        LEFT JOIN billing_ledgerentry e ON e.transaction_id = t.id
        GROUP BY t.id HAVING coalesce(sum(e.amount), 0) <> 0 OR count(e.id) < 2 ORDER BY t.id""",
    "balance_not_its_entries": """
        SELECT concat_ws(' ', a.kind, nullif(a.model, ''), o.slug, a.lot_id), a.balance - coalesce(sum(e.amount), 0)
        FROM billing_ledgeraccount a LEFT JOIN billing_ledgerentry e ON e.ledger_account_id = a.id
        LEFT JOIN accounts_account o ON o.id = a.account_id
        GROUP BY a.id, o.slug HAVING a.balance <> coalesce(sum(e.amount), 0) ORDER BY a.id""",
    "usage_not_its_charges": """
        SELECT t.business_key, r.total - coalesce(p.total, 0) FROM billing_ledgertransaction t
        CROSS JOIN LATERAL (
          SELECT coalesce(sum(e.amount), 0) AS total FROM billing_ledgerentry e
          JOIN billing_ledgeraccount a ON a.id = e.ledger_account_id
          WHERE e.transaction_id = t.id AND a.kind = 'revenue'
        ) r
        LEFT JOIN (SELECT transaction_id, sum(cost) AS total FROM billing_postedcharge GROUP BY 1) p
          ON p.transaction_id = t.id
        WHERE t.kind = 'usage' AND r.total <> coalesce(p.total, 0) ORDER BY t.id""",
    "charge_not_its_postings": """
        SELECT concat_ws(' ', o.slug, c.hour, c.model), c.posted - coalesce(sum(p.cost), 0) FROM usage_usagecharge c
        JOIN accounts_account o ON o.id = c.account_id
        LEFT JOIN billing_postedcharge p ON p.charge_id = c.id
        GROUP BY c.id, o.slug HAVING c.posted <> coalesce(sum(p.cost), 0) ORDER BY c.id""",
    "posted_not_its_postings": """
        SELECT o.slug, c.posted - coalesce(p.total, 0) FROM billing_customer c
        JOIN accounts_account o ON o.id = c.account_id
        LEFT JOIN (
          SELECT t.account_id, sum(p.cost) AS total FROM billing_postedcharge p
          JOIN billing_ledgertransaction t ON t.id = p.transaction_id GROUP BY 1
        ) p ON p.account_id = c.account_id
        WHERE c.posted <> coalesce(p.total, 0) ORDER BY c.account_id""",
    "charge_not_its_events": """
        SELECT concat_ws(' ', o.slug, c.hour, c.model), c.cost - coalesce(e.total, 0) FROM usage_usagecharge c
        JOIN accounts_account o ON o.id = c.account_id
        LEFT JOIN (
          SELECT account_id, date_trunc('hour', started_at, 'UTC') AS hour, model, price_version_id, service_tier,
            sum(cost) AS total FROM usage_usageevent GROUP BY 1, 2, 3, 4, 5
        ) e ON e.account_id = c.account_id AND e.hour = c.hour AND e.model = c.model
          AND e.price_version_id IS NOT DISTINCT FROM c.price_version_id AND e.service_tier = c.service_tier
        WHERE c.cost <> coalesce(e.total, 0) ORDER BY c.id""",
    "credit_not_its_balance": """
        SELECT o.slug, coalesce(o.credit, 0) - coalesce(c.credit_limit + c.posted + b.total, 0) FROM billing_customer c
        JOIN accounts_account o ON o.id = c.account_id
        CROSS JOIN LATERAL (
          SELECT coalesce(sum(balance), 0) AS total FROM billing_ledgeraccount a WHERE a.account_id = c.account_id
        ) b
        WHERE o.credit IS DISTINCT FROM c.credit_limit + c.posted + b.total ORDER BY c.account_id""",
}


def check_ledger(*, leave_out: Collection[str] = ()) -> list[Finding]:
    """All that contradicts itself, from the events to what accounts may use; nothing where the ledger is sound."""
    found = []
    with connection.cursor() as cursor:
        for what, statement in _CHECKS.items():
            if what in leave_out:
                continue
            cursor.execute(statement)
            found += [
                Finding(what=what, where=where, difference=int(difference)) for where, difference in cursor.fetchall()
            ]
    return found


@transaction.atomic
def rebuild_balances() -> int:
    """Makes all that is derived anew from the entries: balances, what is posted, what accounts may use.

    How many ledger accounts were wrong.
    """
    # Whoever writes waits: entries may not come between the sum and the balance.
    with connection.cursor() as cursor:
        cursor.execute("LOCK TABLE billing_customer, billing_ledgeraccount IN SHARE ROW EXCLUSIVE MODE")
    wrong = [
        row for row in LedgerAccount.objects.annotate(total=Sum("entries__amount")) if row.balance != (row.total or 0)
    ]
    for row in wrong:
        LedgerAccount.objects.filter(pk=row.pk).update(balance=row.total or 0)
    for customer in Customer.objects.all():
        posted = PostedCharge.objects.filter(transaction__account_id=customer.pk).aggregate(total=Sum("cost"))["total"]
        Customer.objects.filter(pk=customer.pk).update(posted=posted or 0)
        Book.of(customer.pk).publish_credit()
    return len(wrong)
