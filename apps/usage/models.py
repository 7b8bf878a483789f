"""The append-only record of consumption, and its rollups by hour and day."""

from django.db import models

from apps.accounts.models import Account, Project
from apps.catalog.models import PriceVersion
from apps.common.money import NanoField
from apps.keys.models import ApiKey


class Outcome(models.TextChoices):
    COMPLETED = "completed", "Completed"
    CANCELLED = "cancelled", "Cancelled by the caller"
    FAILED = "failed", "Failed"


class UsageRequest(models.Model):
    """The id of every request that was ever recorded. A trigger of the events writes it: twice it cannot."""

    request_id = models.CharField(max_length=64, primary_key=True)

    def __str__(self) -> str:
        return self.request_id


class UsageEvent(models.Model):
    """One request that was admitted, in the table of its month (deploy/decisions/0017).

    Never changed after it is written (a trigger of the database holds that).
    """

    request_id = models.CharField(max_length=64)
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="+", db_index=False)
    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="+", db_index=False)
    api_key = models.ForeignKey(ApiKey, on_delete=models.PROTECT, related_name="+", db_index=False)
    model = models.CharField(max_length=120, help_text="As the caller named it")
    deployment = models.CharField(max_length=120, blank=True, help_text="Which one answered")
    endpoint = models.CharField(max_length=40)
    outcome = models.CharField(max_length=12, choices=Outcome)
    error_code = models.CharField(max_length=60, blank=True)
    streamed = models.BooleanField(default=False)
    price_version = models.ForeignKey(
        PriceVersion, on_delete=models.PROTECT, null=True, related_name="+", db_index=False
    )
    input_tokens = models.PositiveIntegerField(default=0, help_text="Cached ones included")
    cached_input_tokens = models.PositiveIntegerField(default=0)
    output_tokens = models.PositiveIntegerField(default=0, help_text="Thoughts included")
    reasoning_tokens = models.PositiveIntegerField(default=0, db_default=0)
    searches = models.PositiveIntegerField(default=0, db_default=0, help_text="Of a reranking, as it is priced")
    estimated = models.BooleanField(default=False, help_text="The engine reported no count; these are ours")
    service_tier = models.CharField(
        max_length=12, default="default", db_default="default", help_text="batch: at half the price"
    )
    cost = NanoField(default=0)
    end_user = models.CharField(max_length=120, blank=True)
    started_at = models.DateTimeField()
    duration_ms = models.PositiveIntegerField(default=0)
    first_token_ms = models.PositiveIntegerField(null=True)

    class Meta:
        ordering = ["-started_at"]
        indexes = [
            models.Index(fields=["account", "-started_at"], name="event_account_time"),
            models.Index(fields=["api_key", "-started_at"], name="event_key_time"),
            models.Index(fields=["project", "-started_at"], name="event_project_time"),
            models.Index(fields=["account", "model", "-started_at"], name="event_model_time"),
            models.Index(fields=["request_id"], name="event_request", opclasses=["varchar_pattern_ops"]),
        ]

    def __str__(self) -> str:
        return self.request_id


class UsageSums(models.Model):
    """Sums of an account's events of a model."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="+", db_index=False)
    model = models.CharField(max_length=120)
    requests = models.PositiveBigIntegerField(default=0)
    failed_requests = models.PositiveBigIntegerField(default=0)
    input_tokens = models.PositiveBigIntegerField(default=0)
    cached_input_tokens = models.PositiveBigIntegerField(default=0)
    output_tokens = models.PositiveBigIntegerField(default=0)
    reasoning_tokens = models.PositiveBigIntegerField(default=0, db_default=0)
    searches = models.PositiveBigIntegerField(default=0, db_default=0)
    cost = NanoField(default=0)

    class Meta:
        abstract = True


class UsageRollup(UsageSums):
    """By project, key and tier as well, over a period."""

    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="+")
    api_key = models.ForeignKey(ApiKey, on_delete=models.PROTECT, related_name="+", db_index=False)
    service_tier = models.CharField(max_length=12, default="default", db_default="default")

    class Meta:
        abstract = True


class UsageHour(UsageRollup):
    hour = models.DateTimeField(help_text="Its beginning, UTC")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["api_key", "model", "hour", "service_tier"], name="usage_hour_by_tier_once")
        ]
        indexes = [models.Index(fields=["account", "hour"], name="usage_hour_account")]

    def __str__(self) -> str:
        return f"{self.api_key_id} {self.model} {self.hour:%Y-%m-%dT%H}"


class UsageDay(UsageRollup):
    day = models.DateField(help_text="UTC")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["api_key", "model", "day", "service_tier"], name="usage_day_by_tier_once")
        ]
        indexes = [models.Index(fields=["account", "day"], name="usage_day_account")]

    def __str__(self) -> str:
        return f"{self.api_key_id} {self.model} {self.day}"


class UsageEndUserDay(UsageSums):
    """By whom an application asked for. Of a day only so many are kept by name: `end_user` is "" for all others."""

    end_user = models.CharField(max_length=120, blank=True)
    day = models.DateField(help_text="UTC")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "day", "end_user", "model"], name="usage_end_user_day_once")
        ]

    def __str__(self) -> str:
        return f"{self.account_id} {self.end_user} {self.model} {self.day}"


class UsageCharge(UsageSums):
    """What an account's requests of one hour cost, by all that sets a price; the ledger lacks `cost - posted` of it."""

    hour = models.DateTimeField(help_text="Its beginning, UTC")
    price_version = models.ForeignKey(PriceVersion, on_delete=models.PROTECT, null=True, related_name="+")
    service_tier = models.CharField(max_length=12)
    posted = NanoField(default=0, db_default=0, help_text="What the ledger has of the cost")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account", "hour", "model", "price_version", "service_tier"],
                name="usage_charge_once",
                nulls_distinct=False,
            )
        ]
        indexes = [
            models.Index(
                fields=["hour", "account"], name="usage_charge_unposted", condition=~models.Q(cost=models.F("posted"))
            )
        ]

    def __str__(self) -> str:
        return f"{self.account_id} {self.model} {self.hour:%Y-%m-%dT%H}"
