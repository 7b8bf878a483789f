"""Base models that every floor may build on."""

from django.db import models


class TimestampedModel(models.Model):
    """Knows when it was made and last changed."""

    created_at = models.DateTimeField(auto_now_add=True, editable=False)
    updated_at = models.DateTimeField(auto_now=True, editable=False)

    class Meta:
        abstract = True
