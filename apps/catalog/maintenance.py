"""Takes engines out of service and brings them back: by staff, or because they make no progress.

An engine is an address: what is done to one of the deployments there is done to all.
"""

import asyncio
from collections.abc import Collection, Iterable
from dataclasses import dataclass

import httpx
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from apps.catalog.contracts import DeploymentFacts
from apps.catalog.models import Deployment, Duty, ModelKind
from apps.catalog.selectors import COUNTED_PROVIDERS, facts_of
from apps.catalog.services import raise_catalog_revision
from apps.common.errors import NotFound

WARM_UP_SECONDS = 60.0
_WARM_UPS: dict[str, tuple[str, dict[str, object]]] = {
    ModelKind.CHAT: ("/chat/completions", {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 1}),
    ModelKind.EMBEDDING: ("/embeddings", {"input": "Hello"}),
    ModelKind.RERANK: ("/rerank", {"query": "Hello", "documents": ["Hello"]}),
}


@transaction.atomic
def drain(*, names: Collection[str], reason: str) -> list[str]:
    """No new request goes to these engines, those in flight end as usual; the deployments there. Raises NotFound."""
    return _set_duty(_at_the_engines_of(names), Duty.DRAINED, reason)


@transaction.atomic
def bring_back(*, names: Collection[str]) -> list[str]:
    """Those of the deployments there that do not serve do so again once they have answered. Raises NotFound."""
    away = _at_the_engines_of(names).exclude(duty=Duty.SERVING)
    return _set_duty(away, Duty.RETURNING, "Waits for its first answer.")


@transaction.atomic
def take_out(*, names: Collection[str], reason: str) -> list[str]:
    """As `drain`, for those that come back by themselves once they answer.

    None is taken out that alone serves a model: who is slow is better than nobody.
    """
    rows = list(_at_the_engines_of(names).filter(duty=Duty.SERVING).select_for_update())
    mine = {row.pk for row in rows}
    for row in rows:
        others = Deployment.objects.filter(ai_model=row.ai_model, enabled=True, duty=Duty.SERVING).exclude(pk__in=mine)
        if not others.exists():
            return []
    return _set_duty(Deployment.objects.filter(pk__in=mine), Duty.RETURNING, reason)


def warm_up() -> dict[str, str]:
    """Asks each that returns for one token, and lets those serve that answer: what became of each, by name."""
    rows = list(Deployment.objects.filter(duty=Duty.RETURNING, enabled=True).select_related("ai_model"))
    asked = [Warmth(facts_of(row), row.ai_model.kind) for row in rows]
    failures = asyncio.run(_ask_all(asked)) if asked else {}
    with transaction.atomic():
        waiting = Deployment.objects.filter(duty=Duty.RETURNING)  # somebody may have drained it meanwhile
        well = [name for name, failure in failures.items() if not failure]
        if waiting.filter(name__in=well).update(duty=Duty.SERVING, duty_reason="", duty_since=timezone.now()):
            raise_catalog_revision()
        for name, failure in failures.items():
            if failure:
                waiting.filter(name=name).update(duty_reason=f"Does not answer yet: {failure}"[:300])
    return failures


@dataclass(frozen=True, slots=True)
class Warmth:
    deployment: DeploymentFacts
    kind: str


async def _ask_all(asked: Iterable[Warmth]) -> dict[str, str]:
    """By deployment, what was wrong; empty where nothing was. Other providers are not asked: that would cost money."""
    own = [one for one in asked if one.deployment.provider in COUNTED_PROVIDERS]
    async with httpx.AsyncClient(trust_env=False, follow_redirects=False, timeout=WARM_UP_SECONDS) as client:
        failures = await asyncio.gather(*(_ask(client, one) for one in own))
    return dict.fromkeys((one.deployment.name for one in asked), "") | {
        one.deployment.name: failure for one, failure in zip(own, failures, strict=True)
    }


async def _ask(client: httpx.AsyncClient, one: Warmth) -> str:
    path, body = _WARM_UPS[one.kind]
    facts = one.deployment
    headers = {"Authorization": f"Bearer {facts.api_key}"} if facts.api_key else {}
    try:
        async with asyncio.timeout(WARM_UP_SECONDS):
            answer = await client.post(
                facts.api_base + path, json={"model": facts.upstream_model, **body}, headers=headers
            )
    except TimeoutError:
        return f"no answer within {WARM_UP_SECONDS:.0f} s"
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        return type(error).__name__
    return "" if answer.status_code == 200 else f"status {answer.status_code}"


def _at_the_engines_of(names: Collection[str]) -> QuerySet[Deployment]:
    named = Deployment.objects.filter(name__in=names)
    if unknown := set(names) - set(named.values_list("name", flat=True)):
        raise NotFound(f"There is no deployment {min(unknown)}.")
    addresses = named.exclude(api_base="").values("api_base")
    return named | Deployment.objects.filter(api_base__in=addresses)


def _set_duty(rows: QuerySet[Deployment], duty: Duty, reason: str) -> list[str]:
    names = sorted(rows.values_list("name", flat=True))
    changed = {"duty": duty, "duty_reason": reason[:300], "duty_since": timezone.now(), "updated_at": timezone.now()}
    if Deployment.objects.filter(name__in=names).update(**changed):
        raise_catalog_revision()
    return names
