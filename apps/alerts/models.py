"""What was told of budgets (BudgetAlert), and the webhooks by which accounts are told, besides by mail."""

from django.db import models
from django.utils import timezone

from apps.accounts.models import Account
from apps.common.models import TimestampedModel
from apps.common.money import NanoField


class BudgetAlert(models.Model):
    """A budget of which so many per cent were spent, or that refuses calls. The database lets each be told once a
    period.
    """

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="+")
    scope = models.CharField(max_length=8, help_text="key, project or account")
    scope_id = models.BigIntegerField()
    reference = models.CharField(max_length=60, help_text="A key's id, a project's or an account's slug")
    name = models.CharField(max_length=120, help_text="What it was called then")
    period = models.CharField(max_length=7, help_text="A month, such as 2026-11, or total")
    threshold = models.PositiveSmallIntegerField(help_text="Per cent; 100 where calls are refused")
    refused = models.BooleanField(default=False, db_default=False, help_text="Told because a call was refused")
    spent = NanoField()
    budget = NanoField()
    is_hard = models.BooleanField(help_text="Whether the budget stopped calls, or only warned")
    created_at = models.DateTimeField(auto_now_add=True)
    mail_due_at = models.DateTimeField(null=True, default=timezone.now, help_text="Empty: mailed, or given up")
    mailed_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["scope", "scope_id", "period", "threshold", "refused"], name="alert_told_once_of_a_kind"
            )
        ]
        indexes = [
            models.Index(fields=["account", "-id"], name="alert_account_newest"),
            models.Index(fields=["mail_due_at"], name="alert_mail_due", condition=models.Q(mail_due_at__isnull=False)),
        ]

    def __str__(self) -> str:
        what = "refusals by the budget" if self.refused else f"{self.threshold} %"
        return f"{what} of {self.scope} {self.name}, {self.period}"


class Webhook(TimestampedModel):
    """Where an account wants to be told, and the secret that signs what it is told."""

    account = models.OneToOneField(Account, on_delete=models.CASCADE, related_name="+")
    url = models.CharField(max_length=500)
    secret_sealed = models.CharField(max_length=300, editable=False)

    def __str__(self) -> str:
        return f"of {self.account}"


class WebhookDelivery(models.Model):
    """A message for a webhook: the same id and body at each attempt."""

    webhook = models.ForeignKey(Webhook, on_delete=models.CASCADE, related_name="deliveries")
    alert = models.ForeignKey(BudgetAlert, on_delete=models.CASCADE, null=True, related_name="+")
    message_id = models.CharField(max_length=40, unique=True)
    kind = models.CharField(max_length=40)
    body = models.TextField()
    created_at = models.DateTimeField(auto_now_add=True)
    next_attempt_at = models.DateTimeField(null=True, default=timezone.now, help_text="Empty: delivered, or given up")
    delivered_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "webhook deliveries"
        ordering = ["-pk"]
        indexes = [
            models.Index(
                fields=["next_attempt_at"], name="delivery_due", condition=models.Q(next_attempt_at__isnull=False)
            )
        ]

    def __str__(self) -> str:
        return self.message_id


class DeliveryAttempt(models.Model):
    """What came of one attempt: the status that answered, or why nothing did."""

    delivery = models.ForeignKey(WebhookDelivery, on_delete=models.CASCADE, related_name="attempts")
    at = models.DateTimeField(auto_now_add=True)
    status = models.PositiveSmallIntegerField(null=True)
    error = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return self.error or str(self.status)
