"""The models that an account may call."""

from dataclasses import dataclass

from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from apps.catalog.contracts import ModelFacts, Price
from apps.catalog.selectors import models_for_account
from apps.portal.access import MemberRequest, member_page


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A model with the price that holds now."""

    model: ModelFacts
    price: Price | None


@require_safe
@member_page()
def model_list(request: MemberRequest) -> HttpResponse:
    now = timezone.now()
    offers = [
        Offer(model=model, price=model.price_at(now)) for model in models_for_account(account_id=request.account.id)
    ]
    return render(request, "portal/models.html", {"offers": offers})
