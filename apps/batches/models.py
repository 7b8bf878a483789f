"""Batches: many requests in a file, answered within a day, and what was answered so far."""

from django.db import models

from apps.accounts.models import Account, Project
from apps.files.models import StoredFile
from apps.keys.models import ApiKey


class Status(models.TextChoices):
    VALIDATING = "validating", "Validating"
    FAILED = "failed", "Failed"
    IN_PROGRESS = "in_progress", "In progress"
    FINALIZING = "finalizing", "Finalizing"
    COMPLETED = "completed", "Completed"
    EXPIRED = "expired", "Expired"
    CANCELLING = "cancelling", "Cancelling"
    CANCELLED = "cancelled", "Cancelled"


OPEN = (Status.VALIDATING, Status.IN_PROGRESS, Status.FINALIZING, Status.CANCELLING)


class Batch(models.Model):
    public_id = models.CharField(max_length=40, unique=True, editable=False)
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="+")
    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="+")
    api_key = models.ForeignKey(ApiKey, on_delete=models.PROTECT, related_name="+", help_text="Asks for each line")
    address = models.CharField(max_length=60, blank=True, help_text="Whence it was made: the key's networks apply")
    endpoint = models.CharField(max_length=60)
    status = models.CharField(max_length=12, choices=Status, default=Status.VALIDATING)
    input_file = models.ForeignKey(StoredFile, on_delete=models.PROTECT, related_name="+")
    output_file = models.ForeignKey(StoredFile, on_delete=models.PROTECT, null=True, related_name="+")
    error_file = models.ForeignKey(StoredFile, on_delete=models.PROTECT, null=True, related_name="+")
    output_lifetime = models.DurationField(null=True, help_text="Of the files with its answers")
    metadata = models.JSONField(null=True)
    errors = models.JSONField(default=list, help_text="What is wrong with its file")
    total = models.PositiveIntegerField(default=0)
    completed = models.PositiveIntegerField(default=0, help_text="Once it has ended")
    failed = models.PositiveIntegerField(default=0, help_text="Once it has ended")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(help_text="What is not answered by then never is")
    in_progress_at = models.DateTimeField(null=True)
    finalizing_at = models.DateTimeField(null=True)
    completed_at = models.DateTimeField(null=True)
    failed_at = models.DateTimeField(null=True)
    expired_at = models.DateTimeField(null=True)
    cancelling_at = models.DateTimeField(null=True)
    cancelled_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "batches"
        ordering = ["-pk"]
        indexes = [
            models.Index(fields=["account", "project", "-id"], name="batch_of_project"),
            models.Index(fields=["account"], condition=models.Q(status__in=OPEN), name="batch_open"),
        ]

    def __str__(self) -> str:
        return self.public_id


class LineResult(models.Model):
    """The answer to one line of a batch that has not ended: the line of a file to be, as bytes."""

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="results")
    line = models.PositiveIntegerField()
    failed = models.BooleanField()
    entry = models.BinaryField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["batch", "line"], name="line_answered_once")]

    def __str__(self) -> str:
        return f"{self.batch_id} line {self.line}"
