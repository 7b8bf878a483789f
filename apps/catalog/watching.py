"""Looks every few seconds whether our engines make progress, and takes those out that do not."""

import logging
from dataclasses import asdict

from django.core.cache import cache

from apps.catalog.maintenance import take_out
from apps.catalog.metrics_pages import metrics_of
from apps.catalog.models import ModelKind
from apps.catalog.selectors import engines
from inference.progress import Progress, looked
from inference.vitals import Vitals

REMEMBERED_SECONDS = 3600
logger = logging.getLogger(__name__)


def watch_engines() -> dict[str, str]:
    """Those that were taken out, by address, and why. What was seen before is kept in the cache."""
    known = engines(serving=True, kinds=[ModelKind.CHAT])  # others make no tokens
    out: dict[str, str] = {}
    for address, page in metrics_of(known).items():
        name = f"engine-vitals:{address}"
        before = cache.get(name)
        known_of_it = Progress(Vitals(**before) if before else None)
        vitals = looked(known_of_it, page.text, at=page.told_at.timestamp()).vitals
        if vitals is None:
            continue
        cache.set(name, asdict(vitals), REMEMBERED_SECONDS)
        if vitals.complaint and take_out(names=[one.name for one in known[address]], reason=vitals.complaint):
            logger.error("%s is taken out: %s", address, vitals.complaint)
            cache.delete(name)
            out[address] = vitals.complaint
    return out
