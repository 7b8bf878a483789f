"""What calls of accounts that want it were asked and answered, redacted and sealed, until it expires."""

from django.db import models

from apps.accounts.models import Account


class Prompt(models.Model):
    """One call; the facts of it stand with its use, under the same request id."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="+", db_index=False)
    request_id = models.CharField(max_length=64, unique=True)
    started_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    sealed = models.BinaryField(help_text="A Conversation: deflated JSON, under a key of SECRET_KEY's")

    class Meta:
        ordering = ["-started_at"]
        indexes = [
            models.Index(fields=["account", "-started_at"], name="prompt_account_time"),
            models.Index(fields=["expires_at"], name="prompt_expiry"),
        ]

    def __str__(self) -> str:
        return self.request_id
