"""Looks each minute at how many tokens each engine has counted, and keeps what it counted in between.

An engine is an address: one process, whose counters begin at nothing when it is started anew. What it counted while
nobody looked is not made up: a span ends with the last look before a restart, and the next one begins with the first
look after it.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from apps.catalog.metrics_pages import Page, metrics_of
from apps.catalog.models import EngineSpan
from apps.catalog.selectors import engines
from inference.counters import TokenCounters, parse_token_counters

LONGEST_GAP = timedelta(minutes=5)  # longer, and a restart might have gone unnoticed
KEPT = timedelta(days=400)


@dataclass(frozen=True, slots=True)
class Look:
    """The counters were read after `asked_at` and before `told_at`."""

    counters: TokenCounters
    asked_at: datetime
    told_at: datetime


def sample_engines() -> int:
    """How many engines told their counters."""
    known = engines()
    looks = {address: _look(page) for address, page in metrics_of(known).items()}
    told = {address: look for address, look in looks.items() if look is not None}
    for address, look in told.items():
        note_look(engine=address, deployments=[one.name for one in known[address]], look=look)
    EngineSpan.objects.filter(until_at__lt=timezone.now() - KEPT).delete()
    return len(told)


@transaction.atomic
def note_look(*, engine: str, deployments: Collection[str], look: Look) -> None:
    """Adds what was counted since the look before to its span of this day, or begins one."""
    served = sorted(deployments)
    last = EngineSpan.objects.select_for_update().filter(engine=engine).order_by("-until_at", "-pk").first()
    now = {
        "deployments": served,
        "until_at": look.asked_at,
        "seen_at": look.told_at,
        "prompt_counter": look.counters.prompt,
        "output_counter": look.counters.output,
        "process_started_at": look.counters.started_at,
    }
    if last is not None and look.asked_at <= last.until_at:
        return
    if last is None or not _goes_on(last, served, look):
        EngineSpan.objects.create(
            engine=engine, day=look.told_at.date(), from_at=look.told_at, **{**now, "until_at": look.told_at}
        )
        return
    prompt, output = look.counters.prompt - last.prompt_counter, look.counters.output - last.output_counter
    if last.day == look.told_at.date():
        now |= {"prompt_tokens": last.prompt_tokens + prompt, "output_tokens": last.output_tokens + output}
        EngineSpan.objects.filter(pk=last.pk).update(**now)
        return
    EngineSpan.objects.create(
        engine=engine,
        day=look.told_at.date(),
        from_at=last.seen_at,
        goes_on=True,
        prompt_tokens=prompt,
        output_tokens=output,
        **now,
    )


def _goes_on(last: EngineSpan, served: list[str], look: Look) -> bool:
    """Whether it is the same process as at the look before, and serves the same."""
    return (
        look.told_at - last.seen_at <= LONGEST_GAP
        and served == last.deployments
        and look.counters.started_at == last.process_started_at
        and look.counters.prompt >= last.prompt_counter
        and look.counters.output >= last.output_counter
    )


def _look(page: Page) -> Look | None:
    counters = parse_token_counters(page.text)
    return None if counters is None else Look(counters, page.asked_at, page.told_at)
