"""What Stripe is asked for, and what it tells. Its own objects stand beside, as dj-stripe mirrors them.

Stripe counts in cents; sums here are in nano-dollars like all others, and whole cents.
"""

import uuid
from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Q, QuerySet

from apps.accounts.models import Account
from apps.common.models import TimestampedModel
from apps.common.money import NanoField


class StripeCustomer(TimestampedModel):
    """An account as Stripe knows it, in live or in test mode.

    One that was deleted there stays known: events and payments of its time name it.
    """

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="+")
    livemode = models.BooleanField("live mode")
    stripe_id = models.CharField(max_length=64, unique=True)
    deleted_at = models.DateTimeField(null=True, help_text="When we learned that somebody deleted it at Stripe")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account", "livemode"],
                name="stripe_customer_one_at_a_time",
                condition=Q(deleted_at__isnull=True),
            )
        ]

    def __str__(self) -> str:
        return self.stripe_id

    @classmethod
    def of(cls, account_id: int) -> Self | None:
        """In the mode in which payments are taken; None before the first, and after the last was deleted."""
        return cls.objects.filter(
            account_id=account_id, livemode=settings.STRIPE_LIVE_MODE, deleted_at__isnull=True
        ).first()

    @classmethod
    def ids_of(cls, account_id: int) -> list[str]:
        """Stripe's, in that mode: of the deleted ones, too."""
        theirs = cls.objects.filter(account_id=account_id, livemode=settings.STRIPE_LIVE_MODE)
        return list(theirs.order_by("pk").values_list("stripe_id", flat=True))

    @classmethod
    def ids_of_deleted(cls) -> QuerySet[Self, str]:
        return cls.objects.filter(deleted_at__isnull=False).values_list("stripe_id", flat=True)

    @classmethod
    def known_as(cls, stripe_id: str) -> Self | None:
        """The one that Stripe speaks of; None for a stranger, or one of the other mode."""
        return cls.objects.filter(stripe_id=stripe_id, livemode=settings.STRIPE_LIVE_MODE).first()


class EventState(models.TextChoices):
    WAITING = "waiting", "Waiting"
    DONE = "done", "Done"
    DEAD = "dead", "Given up"


class StripeEvent(models.Model):
    """One event of Stripe's, kept before Stripe is told that it arrived. Given up: staff may have it tried again."""

    stripe_id = models.CharField(max_length=64, unique=True)
    type = models.CharField(max_length=120)
    livemode = models.BooleanField("live mode")
    body = models.TextField(help_text="JSON, as it came")
    created_at = models.DateTimeField(help_text="When it happened, as Stripe says")
    received_at = models.DateTimeField(auto_now_add=True)
    was_missed = models.BooleanField(
        "missed by webhooks", default=False, help_text="Found by the sync: no webhook brought it"
    )
    state = models.CharField(max_length=8, choices=EventState, default=EventState.WAITING)
    tries = models.PositiveSmallIntegerField(default=0)
    next_try_at = models.DateTimeField(auto_now_add=True)
    done_at = models.DateTimeField(null=True)
    error = models.CharField(max_length=500, blank=True, help_text="Of the last try")

    class Meta:
        ordering = ["-created_at", "-pk"]
        indexes = [
            models.Index(fields=["next_try_at"], name="stripe_event_waiting", condition=Q(state=EventState.WAITING)),
            models.Index(fields=["-created_at"], name="stripe_event_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.stripe_id}"


class TopUpState(models.TextChoices):
    PENDING = "pending", "Waiting for the payment"
    PAID = "paid", "Paid"
    FAILED = "failed", "Failed"
    EXPIRED = "expired", "Not paid in time"


class TopUp(TimestampedModel):
    """Prepaid credit that somebody, or the automatic, asked Stripe to take money for. Stripe carries its reference."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="+")
    livemode = models.BooleanField("live mode")
    reference = models.UUIDField(unique=True, default=uuid.uuid4, help_text="In Stripe's metadata")
    amount = NanoField()
    is_automatic = models.BooleanField("automatic", default=False)
    state = models.CharField(max_length=8, choices=TopUpState, default=TopUpState.PENDING)
    session_id = models.CharField(max_length=120, blank=True, help_text="Of Stripe's Checkout")
    payment_intent_id = models.CharField(max_length=64, blank=True)
    payment_method_id = models.CharField(max_length=64, blank=True, help_text="Of an automatic one: the card's")
    failure = models.CharField(max_length=200, blank=True, help_text="Why it failed, for people")
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")

    class Meta:
        verbose_name = "top-up"
        ordering = ["-pk"]
        constraints = [models.CheckConstraint(condition=Q(amount__gt=0), name="top_up_positive")]
        indexes = [
            models.Index(fields=["account", "-id"], name="top_up_account_newest"),
            models.Index(
                fields=["account"], name="top_up_automatic_pending", condition=Q(is_automatic=True, state="pending")
            ),
        ]

    def __str__(self) -> str:
        return f"top-up {self.pk}"


class AutoTopUp(TimestampedModel):
    """An account's consent to be charged when its credit runs low: how much, and at most how much a month."""

    account = models.OneToOneField(Account, on_delete=models.PROTECT, primary_key=True, related_name="+")
    threshold = NanoField(help_text="Credit below which it is charged")
    amount = NanoField(help_text="How much each time")
    monthly_cap = NanoField(help_text="At most so much in a calendar month (UTC)")
    enabled = models.BooleanField(default=True)
    stopped_because = models.CharField(max_length=200, blank=True, help_text="Why it stopped by itself, for people")
    consented_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    consented_at = models.DateTimeField()
    told_of_cap = models.DateField(
        null=True, help_text="The month in which its people were told that the cap is reached"
    )

    class Meta:
        verbose_name = "automatic top-up"
        constraints = [
            models.CheckConstraint(
                condition=Q(threshold__gte=0, amount__gt=0, monthly_cap__gte=models.F("amount")),
                name="auto_top_up_sums",
            )
        ]

    def __str__(self) -> str:
        return str(self.account)
