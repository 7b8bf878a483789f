"""What a plan includes, as the page Billing draws it."""

from datetime import timedelta

from django.utils import timezone

from apps.accounts.tests.cast import Cast
from apps.billing.ledger import included_in
from apps.billing.models import Plan, Subscription
from apps.billing.selectors import included_use
from apps.billing.services import grant_credit, post_usage
from apps.billing.tests.use import use
from apps.common.money import NANO_PER_USD
from apps.keys.models import ApiKey

USD = NANO_PER_USD


def test_it_is_the_months_and_the_accounts_own(cast: Cast, key: ApiKey) -> None:
    account_id, now = cast.northwind.id, timezone.now()
    plan = Plan.objects.create(slug="gold", name="Gold", fee=20 * USD, included=25 * USD)
    Subscription.objects.create(account_id=account_id, plan=plan, status="active", stripe_id="sub_1", period_start=now)
    assert included_use(account_id=account_id) is None, "its fee is not paid yet"
    begun = int(now.timestamp())
    for amount, name in (
        (25, included_in("sub_1", begun) + "gold"),
        (10, included_in("sub_1", begun) + "team"),
        (90, included_in("sub_1", begun - 2_678_400) + "gold"),
        (7, "a present"),
    ):
        end = now + timedelta(days=9)
        grant_credit(account_id=account_id, amount=amount * USD, key=name, reason="given", expires_at=end)
    use(key, "a", 30 * USD, at=now)
    post_usage(now=now + timedelta(hours=2))
    found = included_use(account_id=account_id)
    assert found is not None
    assert (found.amount, found.left, found.used) == (35 * USD, 5 * USD, 30 * USD)
    assert included_use(account_id=cast.charlies.id) is None
