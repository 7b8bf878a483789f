"""What may be subscribed to, and who has: a plan, and an account's subscription to it."""

from django.db import models
from django.db.models import Q

from apps.accounts.models import Account, Tier
from apps.common.models import TimestampedModel
from apps.common.money import NanoField


class Plan(TimestampedModel):
    """A monthly fee and what it brings: use that is included, limits, and how much more may be used unpaid."""

    slug = models.SlugField(max_length=40, unique=True)
    name = models.CharField(max_length=60)
    description = models.CharField(max_length=200, blank=True)
    fee = NanoField(help_text="Nano-dollars a month, whole cents")
    included = NanoField(default=0, help_text="Nano-dollars of use that are included in each month, and end with it")
    credit_limit = NanoField(default=0, help_text="How much use may be owed beyond credit; 0: calls stop with it")
    tier = models.ForeignKey(
        Tier, on_delete=models.PROTECT, null=True, blank=True, related_name="+", help_text="Its limits"
    )
    trial_days = models.PositiveSmallIntegerField(default=0, help_text="Before the first fee, of a first subscription")
    is_offered = models.BooleanField("on offer", default=True, help_text="People may subscribe to it in the portal")
    order = models.PositiveSmallIntegerField(default=0, help_text="Lower stands first")

    class Meta:
        ordering = ["order", "fee"]
        constraints = [
            models.CheckConstraint(condition=Q(fee__gt=0, included__gte=0, credit_limit__gte=0), name="plan_sums")
        ]

    def __str__(self) -> str:
        return self.name


class PlanPrice(models.Model):
    """A plan's fee as Stripe's price. Those never change: a new fee is a new one, and old subscriptions keep theirs."""

    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="prices")
    livemode = models.BooleanField()
    fee = NanoField()
    stripe_id = models.CharField(max_length=64, unique=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["plan", "livemode", "fee"], name="plan_price_once_a_fee")]

    def __str__(self) -> str:
        return self.stripe_id


class SubscriptionStatus(models.TextChoices):
    """In Stripe's words."""

    TRIALING = "trialing", "On trial"
    ACTIVE = "active", "Active"
    PAST_DUE = "past_due", "Past due"
    UNPAID = "unpaid", "Unpaid"
    PAUSED = "paused", "Paused"
    CANCELED = "canceled", "Ended"
    INCOMPLETE = "incomplete", "Not begun yet"
    INCOMPLETE_EXPIRED = "incomplete_expired", "Never begun"


RUNNING = (SubscriptionStatus.TRIALING, SubscriptionStatus.ACTIVE, SubscriptionStatus.PAST_DUE)
ENDED = (SubscriptionStatus.CANCELED, SubscriptionStatus.INCOMPLETE_EXPIRED)


class Subscription(TimestampedModel):
    """An account's plan, as Stripe says; or, without `stripe_id`, as staff gave it."""

    account = models.OneToOneField(Account, on_delete=models.PROTECT, primary_key=True, related_name="+")
    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="+")
    status = models.CharField(max_length=20, choices=SubscriptionStatus)
    livemode = models.BooleanField(default=False)
    stripe_id = models.CharField(max_length=64, blank=True)
    period_start = models.DateTimeField("month began", null=True)
    period_end = models.DateTimeField("month ends", null=True)
    ends_with_period = models.BooleanField("ends with the month", default=False)
    ended_at = models.DateTimeField(null=True, help_text="By Stripe's clock")
    is_metered = models.BooleanField(
        "invoices take use", default=False, help_text="Stripe's next invoice takes what is owed for use"
    )

    class Meta:
        indexes = [models.Index(fields=["stripe_id"], name="subscription_stripe_id")]

    def __str__(self) -> str:
        return f"{self.account}: {self.plan}"

    @property
    def is_running(self) -> bool:
        return self.status in RUNNING
