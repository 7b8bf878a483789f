"""That a store gets vectors of another model, while those of the old one still answer."""

from django.db import models

from apps.accounts.models import Account
from apps.keys.models import ApiKey
from apps.knowledge.models.claimed import Claimable
from apps.knowledge.models.stores import VectorStore


class Reembedding(Claimable):
    """Each change of a store's model is a row of its own: what was paid for one is never taken for another's."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="+")
    store = models.ForeignKey(VectorStore, on_delete=models.PROTECT, related_name="reembeddings", db_index=False)
    api_key = models.ForeignKey(ApiKey, on_delete=models.PROTECT, related_name="+", help_text="Pays for it")
    address = models.CharField(max_length=60, blank=True, help_text="Whence it was asked for: the key's networks apply")
    model = models.CharField(max_length=200, help_text="That the store is to have")
    dimensions = models.PositiveIntegerField(null=True, help_text="Of its vectors, once there is one")
    passages_done = models.PositiveIntegerField(default=0)
    reached = models.BigIntegerField(default=0, help_text="The document in whose passages it is")
    leftover = models.CharField(max_length=200, blank=True, help_text="A model whose vectors nobody needs any more")
    leftover_from = models.DateTimeField(null=True, help_text="Searches that began before may still need them")
    grown = models.IntegerField(default=0, help_text="Bytes by which its vectors are larger than those of the leftover")

    class Meta:
        verbose_name = "re-embedding"
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["store"], condition=models.Q(status="in_progress"), name="one_reembedding_of_a_store"
            )
        ]
        indexes = [
            models.Index(fields=["store", "-id"], name="reembedding_of_store"),
            models.Index(fields=["id"], condition=models.Q(status="in_progress"), name="reembedding_in_progress"),
            models.Index(fields=["leftover_from"], condition=~models.Q(leftover=""), name="reembedding_leftover"),
        ]

    def __str__(self) -> str:
        return f"{self.store} by {self.model}"
