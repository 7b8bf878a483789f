"""What reconciliations found, kept for the staff."""

from django.db import models


class Reconciliation(models.Model):
    """One run. Of many findings the first thousand are kept, and their number."""

    began_at = models.DateTimeField()
    ended_at = models.DateTimeField(auto_now_add=True)
    first_day = models.DateField(null=True, help_text="UTC; empty: since ever")
    last_day = models.DateField()
    is_clean = models.BooleanField("agree", help_text="Everything was compared, and each difference explained")
    findings_number = models.PositiveIntegerField("not explained")
    checks = models.JSONField()
    findings = models.JSONField()
    explained = models.JSONField()

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"{self.began_at:%Y-%m-%d %H:%M}"
