"""What a plan brings to an account, and what is on offer where nobody has made plans yet."""

from django.db import transaction

from apps.accounts.selectors import first_credit, first_tier
from apps.accounts.services import save_tier, set_account_limits
from apps.billing.models import Plan
from apps.billing.services.credit import set_credit_limit
from apps.common.money import NANO_PER_USD

FIRST = (
    ("pro", "Pro", 20, 25, 25, {"rpm_limit": 600, "tpm_limit": 500_000}, "For one team"),
    ("team", "Team", 100, 140, 250, {"rpm_limit": 3000, "tpm_limit": 3_000_000}, "For a company's products"),
)


def apply_plan(*, account_id: int, plan: Plan | None) -> None:
    """Its limits, and what may be owed; without a plan those that an account begins with."""
    set_account_limits(account_id=account_id, values={"tier_id": plan.tier_id if plan else first_tier()})
    set_credit_limit(account_id=account_id, limit=plan.credit_limit if plan else first_credit())


@transaction.atomic
def offer_first_plans() -> None:
    """Two plans to try the stand-in with, where there are none."""
    if Plan.objects.exists():
        return
    for order, (slug, name, fee, included, more, limits, description) in enumerate(FIRST, start=1):
        Plan.objects.create(
            slug=slug,
            name=name,
            fee=fee * NANO_PER_USD,
            included=included * NANO_PER_USD,
            credit_limit=more * NANO_PER_USD,
            tier_id=save_tier(tier_id=None, values={"name": f"{name} plan", **limits}),
            description=description,
            order=order,
        )
