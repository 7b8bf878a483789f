"""What a worker has in hand for a while, gives back with a reason, and goes on with after another one's death."""

from django.db import models


class Status(models.TextChoices):
    """Of a file in a store, by OpenAI's names; and of all that is done the same way."""

    IN_PROGRESS = "in_progress", "In progress"
    COMPLETED = "completed", "Completed"
    CANCELLED = "cancelled", "Cancelled"
    FAILED = "failed", "Failed"


class Claimable(models.Model):
    """`claim` is the worker that has it in hand, until `claimed_until`; nobody else may write anything of it."""

    status = models.CharField(max_length=12, choices=Status, default=Status.IN_PROGRESS)
    error_code = models.CharField(max_length=20, blank=True)
    error_message = models.CharField(max_length=500, blank=True)
    waits_for = models.CharField(max_length=500, blank=True, help_text="Why it does not go on at the moment")
    created_at = models.DateTimeField(auto_now_add=True)
    completed_at = models.DateTimeField(null=True)
    claim = models.CharField(max_length=32, blank=True)
    claimed_until = models.DateTimeField(null=True)
    claims = models.PositiveSmallIntegerField(default=0, help_text="Of workers that said nothing more of it")
    tries = models.PositiveSmallIntegerField(default=0, help_text="That ended in a failure of ours")
    next_try_at = models.DateTimeField(null=True)
    moved_at = models.DateTimeField(null=True, help_text="When a part of it was done, the last time")

    class Meta:
        abstract = True
