"""Reads the models on offer."""

import os
from collections import defaultdict
from collections.abc import Collection
from datetime import date
from decimal import Decimal
from typing import Any

from django.db.models import Prefetch

from apps.catalog.contracts import (
    Catalog,
    DeploymentCost,
    DeploymentFacts,
    EngineCount,
    EngineUptime,
    ModelFacts,
    Price,
    ProviderPrice,
    RoutingFacts,
)
from apps.catalog.models import AIModel, Deployment, Duty, EngineSpan, ModelKind, PriceVersion, RoutingPolicy
from apps.common.money import NANO_PER_USD, TOKENS_PER_PRICE_UNIT
from apps.common.sealing import unseal
from inference.prices import LOCAL_PROVIDERS, known_model

COUNTED_PROVIDERS = frozenset({"hosted_vllm"})  # engines of our own, with a /metrics


def catalog() -> Catalog:
    """All enabled models with their prices and the deployments that serve them, at one version.

    The version is read first: a change in between then makes the catalog look older than it is, never newer.
    """
    policy = RoutingPolicy.objects.filter(pk=1).first() or RoutingPolicy(pk=1)
    models = AIModel.objects.filter(enabled=True).prefetch_related(
        Prefetch("prices", PriceVersion.objects.order_by("-valid_from")),
        Prefetch("deployments", Deployment.objects.filter(enabled=True, duty=Duty.SERVING).order_by("order", "name")),
    )
    return Catalog(
        version=policy.version,
        models={model.public_name: _model_facts(model) for model in models},
        routing=RoutingFacts(
            fallbacks=policy.fallbacks,
            context_window_fallbacks=policy.context_window_fallbacks,
            num_retries=policy.num_retries,
            allowed_fails=policy.allowed_fails,
            cooldown_time=policy.cooldown_time,
            routing_strategy=policy.routing_strategy,
        ),
    )


def engines(*, serving: bool = False, kinds: Collection[str] = ModelKind.values) -> dict[str, list[DeploymentFacts]]:
    """By address, the deployments at each engine of our own that has a /metrics.

    `serving`: without those that are drained or return. `kinds`: of their models.
    """
    found: dict[str, list[DeploymentFacts]] = defaultdict(list)
    rows = Deployment.objects.filter(enabled=True, ai_model__enabled=True, ai_model__kind__in=kinds)
    for row in (rows.filter(duty=Duty.SERVING) if serving else rows).exclude(api_base="").order_by("name"):
        facts = facts_of(row)
        if facts.provider in COUNTED_PROVIDERS:
            found[facts.api_base].append(facts)
    return dict(found)


def engine_counts(*, since: date | None, until: date) -> list[EngineCount]:
    """What engines counted on these days, both included; `since` None: on all until then."""
    rows = EngineSpan.objects.filter(day__lte=until, **({"day__gte": since} if since else {}))
    return [
        EngineCount(
            engine=row.engine,
            deployments=tuple(row.deployments),
            day=row.day,
            from_at=row.from_at,
            until_at=row.until_at,
            goes_on=row.goes_on,
            prompt_tokens=row.prompt_tokens,
            output_tokens=row.output_tokens,
        )
        for row in rows.order_by("day", "engine", "from_at")
    ]


def engine_uptimes(*, since: date, until: date) -> list[EngineUptime]:
    """Of these days, both included; an engine that nobody looked at is left out."""
    seconds: dict[str, float] = defaultdict(float)
    served: dict[str, set[str]] = defaultdict(set)
    for one in engine_counts(since=since, until=until):
        seconds[one.engine] += (one.until_at - one.from_at).total_seconds()
        served[one.engine].update(one.deployments)
    return [
        EngineUptime(engine=engine, deployments=tuple(sorted(served[engine])), seconds=round(total))
        for engine, total in sorted(seconds.items())
    ]


def deployment_costs() -> dict[str, DeploymentCost]:
    """By name, of all that the catalog has, offered or not."""
    return {row.name: _deployment_cost(row) for row in Deployment.objects.all()}


def _deployment_cost(row: Deployment) -> DeploymentCost:
    provider, _, upstream_model = row.provider_model.partition("/")
    listed = known_model(provider, upstream_model)
    price = None
    if "input_cost_per_token" in listed:
        fresh = listed["input_cost_per_token"]
        price = ProviderPrice(
            input=_per_million(fresh),
            cached_input=_per_million(listed.get("cache_read_input_token_cost", fresh)),
            output=_per_million(listed.get("output_cost_per_token", 0)),
        )
    is_own = provider in LOCAL_PROVIDERS
    return DeploymentCost(name=row.name, provider_model=row.provider_model, is_own=is_own, price=price)


def _per_million(dollars_per_token: float | str) -> int:
    """Nano-dollars for a million tokens; LiteLLM writes dollars for one as 1.5e-07."""
    return int(Decimal(str(dollars_per_token)) * NANO_PER_USD * TOKENS_PER_PRICE_UNIT)


def models_for_account(*, account_id: int) -> list[ModelFacts]:
    """What this account may call: what is for all, and its own."""
    return [model for model in catalog().models.values() if model.account_id in (None, account_id)]


def context_of_model(*, name: str) -> int | None:
    """Tokens that it takes; the least of those of several accounts' models of that name."""
    lengths = AIModel.objects.filter(public_name=name).values_list("context_length", flat=True)
    return min(lengths, default=None)


def model_names(*, kinds: Collection[str]) -> list[str]:
    """Of all accounts' models of these kinds, those that are no longer on offer included."""
    return list(AIModel.objects.filter(kind__in=kinds).order_by("public_name").values_list("public_name", flat=True))


def unsupported_by(facts: DeploymentFacts) -> frozenset[str]:
    """What its engine passes over in silence; nothing for what is no list: staff edit a deployment's facts by hand."""
    named = facts.model_info.get("unsupported")
    return frozenset(map(str, named)) if isinstance(named, list) else frozenset()


def _model_facts(model: AIModel) -> ModelFacts:
    deployments = tuple(facts_of(deployment) for deployment in model.deployments.all())
    return ModelFacts(
        public_name=model.public_name,
        kind=model.kind,
        description=model.description,
        owned_by=model.owned_by,
        account_id=model.account_id,
        capabilities=tuple(model.capabilities),
        extensions=frozenset(model.extensions),
        context_length=model.context_length,
        max_output_tokens=model.max_output_tokens,
        dimensions=model.dimensions,
        created_at=model.created_at,
        prices=tuple(_price(price) for price in model.prices.all()),
        limits=model.limits,
        deployments=deployments,
        unsupported=frozenset.intersection(*map(unsupported_by, deployments)) if deployments else frozenset(),
    )


def _price(price: PriceVersion) -> Price:
    return Price(
        version_id=price.pk,
        valid_from=price.valid_from,
        input=price.input_price,
        cached_input=price.cached_input_price,
        output=price.output_price,
        reasoning=price.reasoning_price,
        search=price.search_price,
    )


def facts_of(deployment: Deployment) -> DeploymentFacts:
    provider, _, upstream_model = deployment.provider_model.partition("/")
    info: dict[str, Any] = deployment.model_info
    return DeploymentFacts(
        name=deployment.name,
        provider=provider,
        upstream_model=upstream_model,
        api_base=deployment.api_base.rstrip("/"),
        api_key=_secret(deployment),
        order=deployment.order,
        weight=deployment.weight,
        rpm=deployment.rpm,
        tpm=deployment.tpm,
        timeout=deployment.timeout,
        stream_timeout=deployment.stream_timeout,
        model_info=info,
    )


def _secret(deployment: Deployment) -> str:
    if deployment.api_key_env:
        return os.environ.get(deployment.api_key_env, "")
    return unseal(deployment.api_key_sealed) if deployment.api_key_sealed else ""
