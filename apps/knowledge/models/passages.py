"""Passages of documents, their vectors, and the postings that they are found by in full text.

Passages, vectors and terms stand behind walls (apps/knowledge/walls.py): without saying whose they are, none is seen.
"""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from pgvector.django import HalfVectorField

from apps.accounts.models import Account
from apps.knowledge.models.stores import StoreFile, VectorStore


class Passage(models.Model):
    """A piece of a document. Its store shows it once its document is completed."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="+")
    store = models.ForeignKey(VectorStore, on_delete=models.PROTECT, related_name="+", db_index=False)
    document = models.ForeignKey(StoreFile, on_delete=models.PROTECT, related_name="passages", db_index=False)
    position = models.PositiveIntegerField()
    text = models.TextField()
    headings = ArrayField(models.TextField(), default=list, help_text="The path of headings above it")
    page = models.PositiveIntegerField(null=True, help_text="From 1; a slide's or a sheet's number, too")
    tokens = models.PositiveIntegerField()
    lexemes = models.PositiveIntegerField(default=0)
    digest = models.BinaryField(max_length=32, help_text="SHA-256 of what is embedded")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["document", "position"], name="passage_once_per_position")]

    def __str__(self) -> str:
        return f"{self.document_id} [{self.position}]"


class PassageVector(models.Model):
    """What a passage means, as a model has it."""

    passage = models.ForeignKey(Passage, on_delete=models.CASCADE, related_name="vectors", db_index=False)
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="+", db_index=False)
    store = models.ForeignKey(VectorStore, on_delete=models.PROTECT, related_name="+", db_index=False)
    model = models.CharField(max_length=200)
    embedding = HalfVectorField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["passage", "model"], name="vector_once_per_model")]
        indexes = [models.Index(fields=["store", "model"], name="vector_of_store")]

    def __str__(self) -> str:
        return f"{self.passage_id} by {self.model}"


class Term(models.Model):
    """A lexeme of a store's passages and in how many of them it stands."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="+", db_index=False)
    store = models.ForeignKey(VectorStore, on_delete=models.PROTECT, related_name="+", db_index=False)
    lexeme = models.TextField()
    passages = models.IntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["store", "lexeme"], name="term_once_per_store")]

    def __str__(self) -> str:
        return self.lexeme


class Posting(models.Model):
    """That a term stands in a passage, how often, and how long the passage is (in lexemes).

    `weight` orders a term's postings by what they can add to a score; the score itself is reckoned from the rest.
    """

    pk = models.CompositePrimaryKey("passage_id", "term_id")
    passage = models.ForeignKey(
        Passage, on_delete=models.DO_NOTHING, related_name="+", db_index=False, db_constraint=False
    )
    term = models.ForeignKey(Term, on_delete=models.DO_NOTHING, related_name="+", db_index=False, db_constraint=False)
    frequency = models.SmallIntegerField()
    length = models.IntegerField()
    weight = models.FloatField()

    class Meta:
        indexes = [
            models.Index(
                fields=["term", "-weight"], include=["passage", "frequency", "length"], name="posting_by_weight"
            )
        ]

    def __str__(self) -> str:
        return f"{self.term_id} in {self.passage_id}"
