"""Reads the models on offer."""

import os
from collections.abc import Collection
from typing import Any

from django.db.models import Prefetch

from apps.catalog.contracts import Catalog, DeploymentFacts, ModelFacts, Price, RoutingFacts
from apps.catalog.models import AIModel, Deployment, PriceVersion, RoutingPolicy
from apps.common.sealing import unseal


def catalog() -> Catalog:
    """All enabled models with their prices and deployments, at one version.

    The version is read first: a change in between then makes the catalog look older than it is, never newer.
    """
    policy = RoutingPolicy.objects.filter(pk=1).first() or RoutingPolicy(pk=1)
    models = AIModel.objects.filter(enabled=True).prefetch_related(
        Prefetch("prices", PriceVersion.objects.order_by("-valid_from")),
        Prefetch("deployments", Deployment.objects.filter(enabled=True).order_by("order", "name")),
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


def models_for_account(*, account_id: int) -> list[ModelFacts]:
    """What this account may call: what is for all, and its own."""
    return [model for model in catalog().models.values() if model.account_id in (None, account_id)]


def model_names(*, kinds: Collection[str]) -> list[str]:
    """Of all accounts' models of these kinds, those that are no longer on offer included."""
    return list(AIModel.objects.filter(kind__in=kinds).order_by("public_name").values_list("public_name", flat=True))


def unsupported_by(facts: DeploymentFacts) -> frozenset[str]:
    """What its engine passes over in silence; nothing for what is no list: staff edit a deployment's facts by hand."""
    named = facts.model_info.get("unsupported")
    return frozenset(map(str, named)) if isinstance(named, list) else frozenset()


def _model_facts(model: AIModel) -> ModelFacts:
    deployments = tuple(_deployment_facts(deployment) for deployment in model.deployments.all())
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


def _deployment_facts(deployment: Deployment) -> DeploymentFacts:
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
