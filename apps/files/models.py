"""Files that callers upload or that we make for them: what they are. What is in them lies in the storage."""

from django.db import models
from django.utils import timezone

from apps.accounts.models import Account, Project


class Purpose(models.TextChoices):
    BATCH = "batch", "Requests of a batch"
    BATCH_OUTPUT = "batch_output", "Answers of a batch"
    ASSISTANTS = "assistants", "Documents to be searched"
    USER_DATA = "user_data", "Documents for any use"


class StoredFile(models.Model):
    """A file of one project. Its row stays when it is deleted, its content goes."""

    public_id = models.CharField(max_length=40, unique=True, editable=False)
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="+")
    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="+")
    name = models.CharField(max_length=255)
    purpose = models.CharField(max_length=16, choices=Purpose)
    url = models.CharField(max_length=2000, blank=True, default="", db_default="", help_text="Whence it was fetched")
    size = models.BigIntegerField(default=0, help_text="Bytes")
    sha256 = models.CharField(
        max_length=64,
        blank=True,
        default="",
        db_default="",
        help_text="Of its content, as long as the storage has that",
    )
    is_pending = models.BooleanField(default=False, db_default=False, help_text="Its content is still being stored")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    deleted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "file"
        ordering = ["-pk"]
        indexes = [
            models.Index(fields=["account", "project", "-id"], name="file_of_project"),
            models.Index(fields=["expires_at"], condition=models.Q(deleted_at=None), name="file_expiry"),
            models.Index(fields=["account", "sha256"], condition=~models.Q(sha256=""), name="file_content"),
        ]

    def __str__(self) -> str:
        return self.public_id


class FileChunk(models.Model):
    """A piece of a file that does not lie in the storage; all but the last are of the same size."""

    file = models.ForeignKey(StoredFile, on_delete=models.CASCADE, related_name="chunks")
    position = models.PositiveIntegerField()
    data = models.BinaryField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["file", "position"], name="chunk_once_per_position")]

    def __str__(self) -> str:
        return f"{self.file_id} [{self.position}]"
