"""Everything that tells of budgets: the check, the mails, the webhooks and their deliveries."""

from apps.alerts.services.budgets import check_budgets, check_refusals
from apps.alerts.services.deliveries import deliver_waiting
from apps.alerts.services.mail import mail_waiting
from apps.alerts.services.sweep import delete_old
from apps.alerts.services.webhooks import remove_webhook, renew_secret, send_test, set_webhook

__all__ = [
    "check_budgets",
    "check_refusals",
    "delete_old",
    "deliver_waiting",
    "mail_waiting",
    "remove_webhook",
    "renew_secret",
    "send_test",
    "set_webhook",
]
