"""manage.py set_up_stripe: makes the webhook endpoint at Stripe; done again, it changes nothing."""

from typing import Any

from apps.billing.services import set_up_stripe
from apps.common.commands import ArtemisCommand


class Command(ArtemisCommand):
    help = "Makes sure that Stripe tells this platform of payments, at its PUBLIC_URL."

    def answer(self, **options: Any) -> dict[str, Any]:
        return {"webhook": set_up_stripe()}
