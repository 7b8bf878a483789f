"""Accounts with an invoice that was not paid, and how far that has gone."""

from django.db import models

from apps.accounts.models import Account, Tier
from apps.billing.models.plans import Plan
from apps.common.models import TimestampedModel
from apps.common.money import NanoField


class DunningStep(models.IntegerChoices):
    TOLD = 1, "Told"
    REMINDED = 2, "Reminded"
    LIMITED = 3, "Without its plan's limits"
    SUSPENDED = 4, "Suspended"


class Dunning(TimestampedModel):
    """An account that has an unpaid invoice: its oldest. It goes with the last of them, and all that it brought."""

    account = models.OneToOneField(Account, on_delete=models.PROTECT, primary_key=True, related_name="+")
    invoice_id = models.CharField(max_length=64, help_text="Stripe's")
    since = models.DateTimeField()
    plan_before = models.ForeignKey(Plan, on_delete=models.SET_NULL, null=True, related_name="+")
    tier_before = models.ForeignKey(Tier, on_delete=models.SET_NULL, null=True, related_name="+")
    credit_limit_before = NanoField(null=True)
    step = models.PositiveSmallIntegerField(choices=DunningStep, default=0)

    class Meta:
        verbose_name_plural = "dunning"

    def __str__(self) -> str:
        return f"{self.account}: {self.invoice_id}"
