"""What documents say of things: a store's graph, how far the building of it is, and what was found.

Entities and all below them stand behind walls (apps/knowledge/walls.py). They are of an account and of a graph, which
is of one store. Nothing of them is counted in a row: what a deleted document said is left out by the readers at once.
"""

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models.functions import Greatest, Least, Left
from pgvector.django import HalfVectorField

from apps.accounts.models import Account
from apps.keys.models import ApiKey
from apps.knowledge.models.claimed import Claimable
from apps.knowledge.models.passages import Passage
from apps.knowledge.models.stores import StoreFile, VectorStore


class Method(models.TextChoices):
    """How names and relations are found."""

    OFFLINE = "offline", "Offline"
    MODEL = "model", "By a language model"


class EntityType(models.TextChoices):
    PERSON = "person", "Person"
    ORGANIZATION = "organization", "Organization"
    PLACE = "place", "Place"
    EVENT = "event", "Event"
    PRODUCT = "product", "Product"
    WORK = "work", "Work"
    CONCEPT = "concept", "Concept"
    OTHER = "other", "Other"


class MergeReason(models.TextChoices):
    NAME = "same_name", "The same name, once without a type of its own"
    ALIAS = "alias", "One is called by the other's name"
    SHORT = "short_name", "The only one whose name ends so"
    NEAR = "near", "Nearly the same name, in much the same context"
    HAND = "by_hand", "By hand"


class Graph(models.Model):
    """One building of a store's graph. One that is deleted stays until all of it is gone; no answer knows it."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="+")
    store = models.ForeignKey(VectorStore, on_delete=models.PROTECT, related_name="graphs")
    method = models.CharField(max_length=10, choices=Method)
    model = models.CharField(max_length=200, blank=True, help_text="Of the method by a language model")
    api_key = models.ForeignKey(ApiKey, on_delete=models.PROTECT, related_name="+", help_text="Which asked for it")
    created_at = models.DateTimeField(auto_now_add=True)
    stopped_at = models.DateTimeField(null=True, help_text="Later files do not follow")
    deleted_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(fields=["store"], condition=models.Q(deleted_at=None), name="one_graph_of_a_store")
        ]
        indexes = [
            models.Index(fields=["id"], condition=models.Q(deleted_at__isnull=False), name="graph_to_empty"),
        ]

    def __str__(self) -> str:
        return f"graph of {self.store_id}"


class GraphDocument(Claimable):
    """A file whose passages are read for a graph."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="+")
    graph = models.ForeignKey(Graph, on_delete=models.CASCADE, related_name="documents", db_index=False)
    document = models.ForeignKey(StoreFile, on_delete=models.CASCADE, related_name="+")
    passages_total = models.PositiveIntegerField(default=0)
    passages_done = models.PositiveIntegerField(default=0)
    passages_skipped = models.PositiveIntegerField(default=0, help_text="Of which the model's answer was of no use")
    note = models.CharField(max_length=500, blank=True, help_text="What its owner should know of what was found")

    class Meta:
        verbose_name = "file of a graph"
        verbose_name_plural = "files of graphs"
        constraints = [models.UniqueConstraint(fields=["graph", "document"], name="document_once_in_a_graph")]
        indexes = [
            models.Index(
                fields=["account", "id"], condition=models.Q(status="in_progress"), name="graph_document_in_progress"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.document_id} in {self.graph}"


class Entity(models.Model):
    """A name of one type. Several that mean the same are shown as the one into which the others were merged."""

    public_id = models.CharField(max_length=40, unique=True, editable=False)
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="+", db_index=False)
    graph = models.ForeignKey(Graph, on_delete=models.PROTECT, related_name="+", db_index=False)
    type = models.CharField(max_length=12, choices=EntityType)
    name = models.CharField(max_length=200)
    key = models.CharField(max_length=200, help_text="The name, normalised")
    tokens = ArrayField(models.CharField(max_length=200), default=list, help_text="The words of the key")
    embedding = HalfVectorField(null=True, help_text="The middle of its passages' vectors, by the store's model")
    merged_into = models.ForeignKey("self", on_delete=models.SET_NULL, null=True, related_name="members")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name_plural = "entities"
        constraints = [models.UniqueConstraint(fields=["graph", "key", "type"], name="entity_once_in_a_graph")]
        indexes = [
            GinIndex(fields=["tokens"], name="entity_by_word"),
            models.Index("graph", "type", Left("key", 8), name="entity_by_beginning"),
        ]

    def __str__(self) -> str:
        return self.name


class Mention(models.Model):
    """That a passage names an entity, and by which words."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="+", db_index=False)
    graph = models.ForeignKey(Graph, on_delete=models.PROTECT, related_name="+")
    document = models.ForeignKey(StoreFile, on_delete=models.CASCADE, related_name="+")
    passage = models.ForeignKey(Passage, on_delete=models.CASCADE, related_name="+", db_index=False)
    entity = models.ForeignKey(Entity, on_delete=models.CASCADE, related_name="mentions")
    surface = models.CharField(max_length=200)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["passage", "graph", "entity", "surface"], name="mention_once_in_a_passage")
        ]

    def __str__(self) -> str:
        return self.surface


class Relation(models.Model):
    """That one entity has to do with another, and what. Its confidence is that of its evidence."""

    public_id = models.CharField(max_length=40, unique=True, editable=False)
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="+", db_index=False)
    graph = models.ForeignKey(Graph, on_delete=models.PROTECT, related_name="+")
    subject = models.ForeignKey(Entity, on_delete=models.CASCADE, related_name="+", db_index=False)
    type = models.CharField(max_length=80)
    object = models.ForeignKey(Entity, on_delete=models.CASCADE, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["subject", "object", "type"], name="relation_once"),
            models.CheckConstraint(condition=~models.Q(subject=models.F("object")), name="relation_of_two"),
        ]

    def __str__(self) -> str:
        return f"{self.subject_id} {self.type} {self.object_id}"


class Evidence(models.Model):
    """That a passage states a relation."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="+", db_index=False)
    graph = models.ForeignKey(Graph, on_delete=models.PROTECT, related_name="+")
    document = models.ForeignKey(StoreFile, on_delete=models.CASCADE, related_name="+")
    passage = models.ForeignKey(Passage, on_delete=models.CASCADE, related_name="+")
    relation = models.ForeignKey(Relation, on_delete=models.CASCADE, related_name="evidence", db_index=False)
    confidence = models.FloatField()

    class Meta:
        verbose_name_plural = "evidence"
        constraints = [
            models.UniqueConstraint(fields=["relation", "passage"], name="evidence_once_in_a_passage"),
            models.CheckConstraint(
                condition=models.Q(confidence__gt=0, confidence__lt=1), name="confidence_between_0_and_1"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.passage_id} states {self.relation_id}"


class Merge(models.Model):
    """That two entities are one. Those that hold make trees: to undo one parts a tree in two. An undone one stays, so
    that it is not made again by itself."""

    public_id = models.CharField(max_length=40, unique=True, editable=False)
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="+", db_index=False)
    graph = models.ForeignKey(Graph, on_delete=models.PROTECT, related_name="+")
    kept = models.ForeignKey(Entity, on_delete=models.CASCADE, related_name="+", help_text="Whose name is shown")
    gone = models.ForeignKey(Entity, on_delete=models.CASCADE, related_name="+")
    reason = models.CharField(max_length=12, choices=MergeReason)
    api_key = models.ForeignKey(
        ApiKey, on_delete=models.PROTECT, null=True, related_name="+", help_text="By hand: whose"
    )
    merged_at = models.DateTimeField(auto_now_add=True)
    undone_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(Least("kept", "gone"), Greatest("kept", "gone"), name="two_are_merged_once"),
            models.CheckConstraint(condition=~models.Q(kept=models.F("gone")), name="merge_of_two"),
        ]

    def __str__(self) -> str:
        return f"{self.gone_id} into {self.kept_id}"
