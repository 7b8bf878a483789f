"""What is on offer where nobody has made plans yet."""

from django.db import transaction

from apps.accounts.services import save_tier
from apps.billing.models import Plan
from apps.common.money import NANO_PER_USD

FIRST = (
    ("pro", "Pro", 20, 25, {"rpm_limit": 600, "tpm_limit": 500_000}, "For one team"),
    ("team", "Team", 100, 140, {"rpm_limit": 3000, "tpm_limit": 3_000_000}, "For a company's products"),
)


@transaction.atomic
def offer_first_plans() -> None:
    """Two plans to try the stand-in with, where there are none."""
    if Plan.objects.exists():
        return
    for order, (slug, name, fee, included, limits, description) in enumerate(FIRST, start=1):
        Plan.objects.create(
            slug=slug,
            name=name,
            fee=fee * NANO_PER_USD,
            included=included * NANO_PER_USD,
            tier_id=save_tier(tier_id=None, values={"name": f"{name} plan", **limits}),
            description=description,
            order=order,
        )
