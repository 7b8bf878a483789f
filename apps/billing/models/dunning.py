"""Accounts with an invoice that was not paid, and how far that has gone."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import models

from apps.accounts.models import Account, Tier
from apps.billing.models.plans import Plan
from apps.common.models import TimestampedModel
from apps.common.money import NanoField


class DunningStep(models.IntegerChoices):
    TOLD = 1, "Told"
    REMINDED = 2, "Reminded"
    LIMITED = 3, "Without its plan's limits"
    SUSPENDED = 4, "Calls are refused"


class Dunning(TimestampedModel):
    """An account that has an unpaid invoice: its oldest. It goes with the last of them, and all that it brought."""

    account = models.OneToOneField(Account, on_delete=models.PROTECT, primary_key=True, related_name="+")
    invoice_id = models.CharField(max_length=64, help_text="Stripe's")
    due = NanoField(null=True, help_text="What is left to be paid of it")
    page = models.TextField(blank=True, default="", db_default="", help_text="Stripe's, on which it can be paid")
    since = models.DateTimeField()
    plan_before = models.ForeignKey(Plan, on_delete=models.SET_NULL, null=True, related_name="+")
    tier_before = models.ForeignKey(Tier, on_delete=models.SET_NULL, null=True, related_name="+")
    credit_limit_before = NanoField(null=True)
    step = models.PositiveSmallIntegerField(choices=DunningStep, default=0)

    class Meta:
        verbose_name = "unpaid invoice"

    def __str__(self) -> str:
        return f"{self.account}: {self.invoice_id}"

    @property
    def limited_at(self) -> datetime:
        """When its plan's limits go, if it is not paid."""
        return self._after(DunningStep.LIMITED)

    @property
    def suspended_at(self) -> datetime:
        return self._after(DunningStep.SUSPENDED)

    def _after(self, step: DunningStep) -> datetime:
        days: list[int] = settings.BILLING_DUNNING_DAYS
        return self.since + timedelta(days=days[step - DunningStep.REMINDED])
