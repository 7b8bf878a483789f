"""Use beyond credit, on its way to Stripe's invoices."""

import uuid
from datetime import timedelta

from django.db import models
from django.db.models import Q
from django.utils import timezone

from apps.accounts.models import Account
from apps.billing.models.ledger import LedgerTransaction
from apps.common.models import TimestampedModel

PREFIX = "artemis-"  # of the identifiers of our events
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=30), timedelta(hours=1)
WAITING = "waiting"  # the first state of whatever Stripe is to have


class OveragePrice(models.Model):
    """Stripe's meter of what is owed, and the price of a cent of it: a cent."""

    livemode = models.BooleanField(unique=True)
    meter_id = models.CharField(max_length=64)
    stripe_id = models.CharField(max_length=64, unique=True)

    def __str__(self) -> str:
        return self.stripe_id


class OwedCents(TimestampedModel):
    """Whole cents of use, taken from what an account owes onto its invoices, and tried until Stripe has them."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="+")
    livemode = models.BooleanField("live mode")
    customer_id = models.CharField(max_length=64, help_text="Stripe's")
    cents = models.PositiveBigIntegerField()
    transaction = models.OneToOneField(LedgerTransaction, on_delete=models.PROTECT, related_name="+")
    state = models.CharField(max_length=8, default=WAITING)
    tries = models.PositiveIntegerField(default=0)
    next_try_at = models.DateTimeField(auto_now_add=True)
    error = models.CharField(max_length=500, blank=True, help_text="Of the last try")

    class Meta:
        abstract = True

    def claim(self) -> bool:
        """Whether the next try is the caller's: of all who have read it, one process gets it."""
        waiting = type(self)._default_manager.filter(pk=self.pk, state=WAITING, tries=self.tries)
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(self.tries, 10))
        return bool(waiting.update(tries=self.tries + 1, next_try_at=timezone.now() + pause))


class BatchState(models.TextChoices):
    WAITING = "waiting", "To be sent"
    SENT = "sent", "Taken by Stripe"
    REFUSED = "refused", "Not counted by Stripe"


class MeterBatch(OwedCents):
    """Whole cents of what an account owes, told to Stripe's meter once. Of an account one waits at a time."""

    reference = models.UUIDField(unique=True, default=uuid.uuid4, help_text="In the identifier of Stripe's meter event")
    state = models.CharField(max_length=8, choices=BatchState, default=BatchState.WAITING)
    sent_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "meter batches"
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["account"], condition=Q(state=BatchState.WAITING), name="meter_batch_one_waits"
            ),
            models.CheckConstraint(condition=Q(cents__gt=0), name="meter_batch_positive"),
        ]
        indexes = [models.Index(fields=["account", "state"], name="meter_batch_account")]

    def __str__(self) -> str:
        return self.identifier

    @property
    def identifier(self) -> str:
        return f"{PREFIX}{self.reference}"


class LateState(models.TextChoices):
    WAITING = "waiting", "To be made at Stripe"
    ASKED = "asked", "Asked for"
    SETTLED = "settled", "Paid or cancelled"


class LateInvoice(OwedCents):
    """Whole cents of what an ended subscription left, on an invoice of its own. Of an account one is open at a time."""

    reference = models.UUIDField(unique=True, default=uuid.uuid4, help_text="In the metadata of Stripe's invoice")
    state = models.CharField(max_length=8, choices=LateState, default=LateState.WAITING)
    invoice_id = models.CharField(max_length=64, blank=True, help_text="Stripe's")

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["account"], condition=~Q(state=LateState.SETTLED), name="late_invoice_one_open"
            ),
            models.UniqueConstraint(fields=["invoice_id"], condition=~Q(invoice_id=""), name="late_invoice_once"),
            models.CheckConstraint(condition=Q(cents__gt=0), name="late_invoice_positive"),
        ]

    def __str__(self) -> str:
        return self.invoice_id or str(self.reference)
