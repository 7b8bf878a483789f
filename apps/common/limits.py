"""Limits of rates, as keys, projects, accounts, tiers and models may have them."""

from dataclasses import dataclass

from django.db import models


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimits:
    """Requests and tokens a minute, tokens a day (24 hours that slide), requests at once; None: no limit."""

    rpm: int | None = None
    tpm: int | None = None
    tpd: int | None = None
    parallel: int | None = None

    def __bool__(self) -> bool:
        return any((self.rpm, self.tpm, self.tpd, self.parallel))


class RateLimited(models.Model):
    """The columns for them."""

    rpm_limit = models.PositiveIntegerField(null=True, blank=True, help_text="Requests a minute; empty: no limit")
    tpm_limit = models.PositiveIntegerField(null=True, blank=True, help_text="Tokens a minute; empty: no limit")
    tpd_limit = models.PositiveBigIntegerField(null=True, blank=True, help_text="Tokens a day; empty: no limit")
    parallel_limit = models.PositiveIntegerField(null=True, blank=True, help_text="Requests at once; empty: no limit")

    class Meta:
        abstract = True

    @property
    def limits(self) -> RateLimits:
        return RateLimits(rpm=self.rpm_limit, tpm=self.tpm_limit, tpd=self.tpd_limit, parallel=self.parallel_limit)


LIMIT_FIELDS = ("rpm_limit", "tpm_limit", "tpd_limit", "parallel_limit")
