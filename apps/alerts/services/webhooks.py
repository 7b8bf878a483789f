"""An account's webhook: where it goes, and the secret that is shown once and then kept sealed."""

import base64
import secrets

from django.db import transaction

from apps.accounts.selectors import account_name
from apps.alerts.addresses import checked_url
from apps.alerts.delivery import PREFIX
from apps.alerts.models import Webhook, WebhookDelivery
from apps.alerts.services.deliveries import TEST, enqueue
from apps.common.errors import Invalid, NotFound
from apps.common.sealing import seal


def set_webhook(*, account_id: int, url: str) -> str | None:
    """Gives the account its webhook, or that another address. A new one's secret, shown this once; else None."""
    url = checked_url(url)
    secret = _new_secret()
    with transaction.atomic():
        webhook, is_new = Webhook.objects.get_or_create(
            account_id=account_id, defaults={"url": url, "secret_sealed": seal(secret)}
        )
        if is_new:
            return secret
        webhook.url = url
        webhook.save(update_fields=["url", "updated_at"])
        return None


def renew_secret(*, account_id: int) -> str:
    """A new signing secret, shown this once; the old one signs nothing more. Raises NotFound without a webhook."""
    secret = _new_secret()
    if not Webhook.objects.filter(account_id=account_id).update(secret_sealed=seal(secret)):
        raise NotFound("This account has no webhook.")
    return secret


def remove_webhook(*, account_id: int) -> None:
    """What waited for it is dropped. Removing it again changes nothing."""
    Webhook.objects.filter(account_id=account_id).delete()


def send_test(*, account_id: int) -> None:
    """Lets a test message wait for the webhook. Raises NotFound without one, Invalid while another test waits."""
    _, slug = account_name(account_id=account_id)
    with transaction.atomic():
        webhook = Webhook.objects.select_for_update().filter(account_id=account_id).first()
        if webhook is None:
            raise NotFound("This account has no webhook.")
        waiting = WebhookDelivery.objects.filter(webhook=webhook, kind=TEST, next_attempt_at__isnull=False)
        if waiting.exists():
            raise Invalid(None, "A test is under way; what comes of it stands below in a few seconds.")
        enqueue(account_id=account_id, kind=TEST, data={"account": slug})


def _new_secret() -> str:
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()
