"""GET /api/v1/key: what a key may know of itself."""

from datetime import UTC, datetime

from django.conf import settings
from rest_framework.request import Request
from rest_framework.response import Response

from apps.api.management.authentication import BearerAuthentication
from apps.api.management.base import ManagementView, described, shown
from apps.api.management.outputs import OwnKeySerializer
from apps.gateway.selectors import spending_of_key
from apps.keys.contracts import KeyFacts
from apps.usage.selectors import totals_of_account


class OwnKeyView(ManagementView):
    authentication_classes = [BearerAuthentication]
    permission_classes = []

    @described(operation_id="get_own_key", tags=["own key"], responses=OwnKeySerializer)
    def get(self, request: Request) -> Response:
        """The limits of the key that asks, what is left of its budget, and what it used this month."""
        facts: KeyFacts = request.auth  # type: ignore[assignment]
        policy = facts.policy
        month = datetime.now(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        spending = spending_of_key(key_id=facts.key_id)
        used = spending.spent + spending.held
        ends = [end for end in (policy.expires_at, facts.secret_expires_at) if end]
        answer = {
            "id": facts.public_id,
            "allowed_models": policy.allowed_models,
            "allowed_endpoints": policy.allowed_endpoints,
            "ip_allow_list": policy.ip_allow_list,
            "expires_at": min(ends, default=None),
            "limits": {
                "requests_per_minute": policy.rpm_limit or settings.GATEWAY_DEFAULT_RPM,
                "tokens_per_minute": policy.tpm_limit or settings.GATEWAY_DEFAULT_TPM,
                "tokens_per_day": policy.tpd_limit,
                "parallel_requests": policy.parallel_limit or settings.GATEWAY_DEFAULT_PARALLEL,
            },
            "budget": {
                "month": f"{month:%Y-%m}",
                "monthly_budget_nano_usd": policy.monthly_budget,
                "is_hard": policy.budget_is_hard,
                "spent_nano_usd": spending.spent,
                "held_nano_usd": spending.held,
                "remaining_nano_usd": None if policy.monthly_budget is None else max(0, policy.monthly_budget - used),
            },
            "usage": totals_of_account(account_id=facts.account_id, since=month, key_public_id=facts.public_id),
        }
        return shown(OwnKeySerializer, answer)
