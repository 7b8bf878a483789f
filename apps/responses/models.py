"""Responses that are kept for their caller, until it deletes them or they are a month old."""

from datetime import timedelta

from django.db import models
from django.utils import timezone

from apps.accounts.models import Account, Project
from apps.keys.models import ApiKey

KEPT = timedelta(days=30)


class StoredResponses(models.QuerySet["StoredResponse"]):
    def of(self, account_id: int, project_id: int, public_id: str) -> "StoredResponses":
        """The one of this id, where a project has it; one that is too old is gone, whether or not it was deleted."""
        if not public_id.isprintable():  # PostgreSQL would choke on a NUL
            return self.none()
        since = timezone.now() - KEPT
        return self.filter(account_id=account_id, project_id=project_id, public_id=public_id, created_at__gt=since)

    def expired(self) -> "StoredResponses":
        return self.filter(created_at__lte=timezone.now() - KEPT)


class StoredResponse(models.Model):
    """One response and what was asked of it. The texts are JSON as it was written: jsonb would refuse some of it."""

    public_id = models.CharField(max_length=64, unique=True)
    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="+")
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+")
    request_id = models.CharField(max_length=64, help_text="The one that made it, as its usage is recorded")
    previous_id = models.CharField(max_length=64, blank=True, help_text="The response that it continues")
    model = models.CharField(max_length=120, help_text="As the caller named it")
    body = models.TextField(help_text="The response object")
    items = models.TextField(help_text="The input items of this request, without those of earlier ones")
    size = models.PositiveIntegerField(help_text="Bytes of both, and of a request that waits")
    created_at = models.DateTimeField(db_index=True)

    objects = StoredResponses.as_manager()

    class Meta:
        verbose_name = "stored response"
        ordering = ["-pk"]
        indexes = [models.Index(fields=["account", "-created_at"], name="response_account_time")]

    def __str__(self) -> str:
        return self.public_id


class BackgroundRun(models.Model):
    """A response in the background that has not ended, and what it takes to make it; deleted when it ends."""

    response = models.OneToOneField(StoredResponse, on_delete=models.CASCADE, related_name="run")
    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="+")
    api_key = models.ForeignKey(ApiKey, on_delete=models.CASCADE, related_name="+", help_text="Asks for it")
    address = models.CharField(max_length=60, blank=True, help_text="Whence it was asked: the key's networks apply")
    end_user = models.CharField(max_length=120, blank=True)
    limits = models.JSONField(default=dict, help_text="How long its caller is willing to wait, in seconds")
    request = models.TextField(help_text="As it came")
    ready_at = models.DateTimeField(null=True, help_text="Not before then: a limit or an engine asked to wait")
    begun = models.PositiveIntegerField(default=0, help_text="How often it was begun")
    refused = models.PositiveIntegerField(default=0, help_text="How often limits or engines refused it")
    failed = models.PositiveIntegerField(default=0, help_text="How often no engine could answer")

    class Meta:
        verbose_name = "response in the background"
        verbose_name_plural = "responses in the background"
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"run {self.pk}"
