"""Vector stores, the files attached to them, and how far the reading of each is."""

from django.contrib.postgres.fields import ArrayField
from django.db import models

from apps.accounts.models import Account, Project
from apps.files.models import StoredFile
from apps.keys.models import ApiKey
from apps.knowledge.models.claimed import Claimable


class Stage(models.TextChoices):
    """What is done next with a file in progress."""

    READING = "reading", "Reading"
    EMBEDDING = "embedding", "Embedding"


class VectorStore(models.Model):
    """Documents of one project that are searched together. Its row stays when it is deleted, its content goes."""

    public_id = models.CharField(max_length=40, unique=True, editable=False)
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="+")
    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="+")
    api_key = models.ForeignKey(ApiKey, on_delete=models.PROTECT, related_name="+", help_text="Which made it")
    name = models.CharField(max_length=256, blank=True)
    description = models.CharField(max_length=512, blank=True)
    metadata = models.JSONField(default=dict)
    embedding_model = models.CharField(max_length=200)
    dimensions = models.PositiveIntegerField(null=True, help_text="Of its vectors, once there is one")
    expires_days = models.PositiveIntegerField(null=True, help_text="Without a search or a change")
    last_active_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    deleted_at = models.DateTimeField(null=True)
    emptied_at = models.DateTimeField(null=True, help_text="When nothing of a deleted store was left")
    passages = models.PositiveIntegerField(default=0, help_text="Of completed files")
    lexemes = models.PositiveBigIntegerField(default=0, help_text="In these passages, each as often as it stands there")
    configurations = ArrayField(
        models.CharField(max_length=40), default=list, help_text="For text search, of its files"
    )
    is_indexed = models.BooleanField(default=False, help_text="Has an index of its vectors of its own")

    class Meta:
        ordering = ["-pk"]
        indexes = [
            models.Index(fields=["account", "project", "-id"], name="store_of_project"),
            models.Index(fields=["expires_at"], condition=models.Q(deleted_at=None), name="store_expiry"),
            models.Index(
                fields=["id"], condition=models.Q(deleted_at__isnull=False, emptied_at=None), name="store_to_empty"
            ),
        ]

    def __str__(self) -> str:
        return self.public_id


class FileBatch(models.Model):
    """Files that were attached to a store together."""

    public_id = models.CharField(max_length=40, unique=True, editable=False)
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="+")
    store = models.ForeignKey(VectorStore, on_delete=models.PROTECT, related_name="batches")
    created_at = models.DateTimeField(auto_now_add=True)
    cancelled_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "file batches"
        ordering = ["-pk"]

    def __str__(self) -> str:
        return self.public_id


class StoreFile(Claimable):
    """A file in a store. One that is deleted stays until its passages are gone; no answer knows it any more."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="+")
    store = models.ForeignKey(VectorStore, on_delete=models.PROTECT, related_name="files")
    file = models.ForeignKey(StoredFile, on_delete=models.PROTECT, related_name="+")
    batch = models.ForeignKey(FileBatch, on_delete=models.PROTECT, null=True, related_name="files")
    api_key = models.ForeignKey(ApiKey, on_delete=models.PROTECT, related_name="+", help_text="Pays for its embeddings")
    address = models.CharField(max_length=60, blank=True, help_text="Whence it was attached: the key's networks apply")
    replaces = models.ForeignKey("self", on_delete=models.SET_NULL, null=True, related_name="+")
    attributes = models.JSONField(default=dict)
    is_auto = models.BooleanField(default=True, help_text="The chunking strategy was left to us")
    max_tokens = models.PositiveIntegerField()
    overlap = models.PositiveIntegerField()
    stage = models.CharField(max_length=12, choices=Stage, default=Stage.READING)
    media_type = models.CharField(max_length=120, blank=True)
    pages = models.PositiveIntegerField(null=True)
    language = models.CharField(max_length=8, blank=True)
    configuration = models.CharField(max_length=40, default="simple")
    passages_total = models.PositiveIntegerField(default=0)
    passages_done = models.PositiveIntegerField(default=0)
    lexemes = models.PositiveBigIntegerField(default=0)
    usage_bytes = models.BigIntegerField(default=0)
    deleted_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = "file of a store"
        verbose_name_plural = "files of stores"
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["store", "file"], condition=models.Q(deleted_at=None), name="file_once_in_a_store"
            )
        ]
        indexes = [
            models.Index(fields=["store", "-id"], condition=models.Q(deleted_at=None), name="file_of_store"),
            models.Index(fields=["batch", "-id"], name="file_of_batch"),
            models.Index(
                fields=["account", "id"],
                condition=models.Q(status="in_progress", deleted_at=None),
                name="store_file_in_progress",
            ),
            models.Index(fields=["id"], condition=models.Q(deleted_at__isnull=False), name="store_file_to_empty"),
            models.Index(fields=["id"], condition=models.Q(status="failed", deleted_at=None), name="store_file_failed"),
        ]

    def __str__(self) -> str:
        return f"{self.file} in {self.store}"
