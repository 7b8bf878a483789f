"""Makes at Stripe what the platform needs there. Done again, it changes nothing."""

import uuid
from typing import Any, cast

from django.conf import settings
from django.urls import reverse
from djstripe.models import WebhookEndpoint

from apps.billing.processor import client, translated
from apps.billing.services.stripe_events import WANTED


def set_up_stripe() -> str:
    """The address of the webhook endpoint. Raises Unavailable or Invalid."""
    known = WebhookEndpoint.objects.filter(
        url__startswith=settings.PUBLIC_URL, livemode=settings.STRIPE_LIVE_MODE, status="enabled"
    ).first()
    if known is not None and known.secret and set(known.enabled_events) == set(WANTED) and _is_there(known.id):
        return str(known.url)
    number = uuid.uuid4()
    url: str = settings.PUBLIC_URL + reverse("portal:stripe_webhook", args=[number])
    with translated():
        made = client().v1.webhook_endpoints.create(
            {
                "url": url,
                "enabled_events": cast(Any, WANTED),
                "api_version": cast(Any, settings.STRIPE_API_VERSION),
                "metadata": {"djstripe_uuid": str(number)},
            }
        )
    WebhookEndpoint.sync_from_stripe_data(made, api_key=settings.STRIPE_SECRET_KEY)
    if known is not None:
        _remove(known)
    return url


def _is_there(stripe_id: str) -> bool:
    with translated():
        listed = client().v1.webhook_endpoints.list({"limit": 100})
        return any(one.id == stripe_id and one.status == "enabled" for one in listed.auto_paging_iter())


def _remove(known: WebhookEndpoint) -> None:
    if _is_there(known.id):
        with translated():
            client().v1.webhook_endpoints.delete(known.id)
    known.delete()
