"""API keys: what a caller may do (ApiKey) and the secrets that prove it (KeySecret)."""

from django.contrib.postgres.fields import ArrayField
from django.db import models

from apps.accounts.models import Account, Project, User
from apps.common.models import TimestampedModel
from apps.common.money import NanoField


class ApiKey(TimestampedModel):
    """A named right to call the API, with its limits. Rotation changes its secret, never its identity."""

    public_id = models.CharField(max_length=32, unique=True, editable=False)
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="api_keys")
    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="api_keys")
    name = models.CharField(max_length=120)
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")

    allowed_models = ArrayField(models.CharField(max_length=120), default=list, blank=True, help_text="Empty: all")
    allowed_endpoints = ArrayField(models.CharField(max_length=40), default=list, blank=True, help_text="Empty: all")
    ip_allow_list = ArrayField(models.CharField(max_length=50), default=list, blank=True, help_text="CIDR; empty: any")
    rpm_limit = models.PositiveIntegerField(null=True, blank=True, help_text="Requests a minute; empty: the default")
    tpm_limit = models.PositiveIntegerField(null=True, blank=True, help_text="Tokens a minute; empty: the default")
    tpd_limit = models.PositiveBigIntegerField(null=True, blank=True, help_text="Tokens a day; empty: no limit")
    parallel_limit = models.PositiveIntegerField(
        null=True, blank=True, help_text="Requests at once; empty: the default"
    )
    monthly_budget = NanoField(null=True, blank=True, help_text="Nano-dollars a calendar month (UTC); empty: no limit")

    total_budget = NanoField(null=True, blank=True, help_text="Nano-dollars in all; empty: no limit")
    budget_is_hard = models.BooleanField(
        default=True, db_default=True, help_text="Its budgets stop calls; otherwise they only warn"
    )

    expires_at = models.DateTimeField(null=True, blank=True)
    disabled_at = models.DateTimeField(null=True, blank=True, help_text="Switched off for now")
    revoked_at = models.DateTimeField(null=True, blank=True, help_text="Switched off for ever")
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    version = models.PositiveIntegerField(default=1, editable=False, help_text="Rises with each change")

    class Meta:
        verbose_name = "API key"
        ordering = ["-created_at"]
        indexes = [models.Index(fields=["account", "-created_at"], name="apikey_account_created")]

    def __str__(self) -> str:
        return f"{self.name} ({self.public_id})"


class KeySecret(models.Model):
    """One secret of a key; during a rotation's grace period two of them work."""

    api_key = models.ForeignKey(ApiKey, on_delete=models.CASCADE, related_name="secrets")
    secret_hash = models.CharField(max_length=64, unique=True, editable=False, help_text="SHA-256 of the whole key")
    hint = models.CharField(max_length=24, editable=False, help_text="What people see of it: start and end")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True, help_text="Set by rotation: the end of its grace")

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.hint
