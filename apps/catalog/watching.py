"""Looks every few seconds whether our engines make progress, and takes those out that do not."""

import logging
from dataclasses import asdict

from django.core.cache import cache

from apps.catalog.maintenance import take_out
from apps.catalog.metrics_pages import Page, metrics_of
from apps.catalog.models import ModelKind
from apps.catalog.selectors import engines
from inference.counters import parse_token_counters
from inference.load import parse_metrics
from inference.vitals import Vitals, observed, tells_progress

REMEMBERED_SECONDS = 3600
logger = logging.getLogger(__name__)


def watch_engines() -> dict[str, str]:
    """Those that were taken out, by address, and why. What was seen before is kept in the cache."""
    known = engines(serving=True, kinds=[ModelKind.CHAT])  # others make no tokens
    out: dict[str, str] = {}
    for address, page in metrics_of(known).items():
        name = f"engine-vitals:{address}"
        before = cache.get(name)
        vitals = _vitals(before and Vitals(**before), page)
        if vitals is None:
            continue
        cache.set(name, asdict(vitals), REMEMBERED_SECONDS)
        if vitals.complaint and take_out(names=[one.name for one in known[address]], reason=vitals.complaint):
            logger.error("%s is taken out: %s", address, vitals.complaint)
            cache.delete(name)
            out[address] = vitals.complaint
    return out


def _vitals(before: Vitals | None, page: Page) -> Vitals | None:
    load, counters = parse_metrics(page.text), parse_token_counters(page.text)
    if load is None or counters is None or not tells_progress(page.text):
        return None
    return observed(before, at=page.told_at.timestamp(), running=load.running, output=counters.output)
