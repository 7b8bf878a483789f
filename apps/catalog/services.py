"""Changes what is on offer: from a file, or by staff. Every change is published to the gateways once committed."""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from apps.catalog.litellm_config import CatalogConfig, DeploymentConfig, ModelConfig, parse_config
from apps.catalog.models import AIModel, Deployment, PriceVersion, RoutingPolicy
from apps.common.errors import Invalid
from apps.common.revisions import CATALOG, publish
from apps.common.sealing import seal, unseal

PRICE_PATIENCE = timedelta(minutes=30)
_MODEL_FIELDS = (
    "kind",
    "description",
    "owned_by",
    "capabilities",
    "extensions",
    "context_length",
    "max_output_tokens",
    "dimensions",
)
_DEPLOYMENT_FIELDS = (
    "provider_model",
    "api_base",
    "api_key_env",
    "order",
    "weight",
    "rpm",
    "tpm",
    "timeout",
    "stream_timeout",
    "model_info",
)


@dataclass(slots=True)
class Change:
    """One line of the diff: `action` is "add", "change" or "remove"; `fields` what was and what will be."""

    action: str
    kind: str
    name: str
    fields: dict[str, tuple[Any, Any]] = field(default_factory=dict)


def load_models(*, text: str, prune: bool = False, dry_run: bool = False) -> list[Change]:
    """Makes the catalog say what a LiteLLM YAML says, all of it or nothing; what changed.

    A model in the file gets exactly the file's deployments. Models that are not in it stay, unless `prune` takes
    them off the offer (their history stays). Raises Invalid for what is not understood.
    """
    config = parse_config(text)
    with transaction.atomic():
        policy = _locked_policy()
        changes = _apply(config, policy, prune=prune)
        if dry_run:
            transaction.set_rollback(True)
        elif changes:
            raise_catalog_revision()
    return changes


@transaction.atomic
def set_models_enabled(*, names: Collection[str], enabled: bool) -> None:
    """Puts models on offer, or takes them off it; their history stays."""
    AIModel.objects.filter(public_name__in=names).update(enabled=enabled, updated_at=timezone.now())
    raise_catalog_revision()


@transaction.atomic
def set_deployments_enabled(*, names: Collection[str], enabled: bool) -> None:
    """Lets deployments serve, or leaves them out; requests in flight end as usual."""
    Deployment.objects.filter(name__in=names).update(enabled=enabled, updated_at=timezone.now())
    raise_catalog_revision()


@transaction.atomic
def change_routing(*, values: Mapping[str, Any]) -> None:
    """Changes columns of the routing policy."""
    _locked_policy()
    RoutingPolicy.objects.filter(pk=1).update(updated_at=timezone.now(), **values)
    raise_catalog_revision()


def routing_policy_id() -> int:
    """The one row's, made where there is none yet."""
    return RoutingPolicy.objects.get_or_create(pk=1)[0].pk


def beginning_of_price(*, model_id: int, asked: datetime) -> datetime:
    """From when on a new price is valid. Whoever chose “now” may have looked at the form for a while.

    Raises Invalid for a moment that is past, where the model had a price already: calls were billed by that.
    """
    now = timezone.now()
    if asked >= now or not PriceVersion.objects.filter(ai_model_id=model_id).exists():
        return asked
    if now - asked > PRICE_PATIENCE:
        raise Invalid("valid_from", "Past prices never change: give a moment that is still to come.")
    return now


def raise_catalog_revision() -> None:
    """To be called in the transaction of a change; the gateways read the catalog anew once it is committed."""
    _locked_policy()
    RoutingPolicy.objects.filter(pk=1).update(version=F("version") + 1)
    version = RoutingPolicy.objects.values_list("version", flat=True).get(pk=1)
    transaction.on_commit(lambda: publish({CATALOG: version}))


def _locked_policy() -> RoutingPolicy:
    RoutingPolicy.objects.get_or_create(pk=1)
    return RoutingPolicy.objects.select_for_update().get(pk=1)


def _apply(config: CatalogConfig, policy: RoutingPolicy, *, prune: bool) -> list[Change]:
    changes: list[Change] = []
    for model in config.models:
        changes += _apply_model(model)
    if prune:
        gone = AIModel.objects.filter(enabled=True, account=None).exclude(
            public_name__in=[model.public_name for model in config.models]
        )
        changes += [Change("remove", "model", model.public_name) for model in gone]
        gone.update(enabled=False)
    difference = {
        name: (getattr(policy, name), value) for name, value in config.routing.items() if getattr(policy, name) != value
    }
    if difference:
        RoutingPolicy.objects.filter(pk=1).update(**config.routing)
        changes.append(Change("change", "routing", "routing policy", difference))
    return changes


def _apply_model(config: ModelConfig) -> list[Change]:
    wanted = {name: _plain(getattr(config, name)) for name in _MODEL_FIELDS} | {"enabled": True}
    model = AIModel.objects.filter(public_name=config.public_name).first()
    changes: list[Change] = []
    if model is None:
        model = AIModel.objects.create(public_name=config.public_name, **wanted)
        changes.append(Change("add", "model", config.public_name))
    elif difference := _difference(model, wanted):
        AIModel.objects.filter(pk=model.pk).update(updated_at=timezone.now(), **wanted)
        changes.append(Change("change", "model", config.public_name, difference))
    changes += _apply_price(model, config)
    changes += _apply_deployments(model, config.deployments)
    return changes


def _apply_price(model: AIModel, config: ModelConfig) -> list[Change]:
    """A changed price is a new version from now on; the past keeps its own."""
    if config.prices is None:
        return []
    current = model.prices.filter(valid_from__lte=timezone.now()).order_by("-valid_from").first()
    before = {name: getattr(current, name, None) for name in config.prices}
    if current and before == config.prices:
        return []
    PriceVersion.objects.create(ai_model=model, valid_from=timezone.now(), **config.prices)
    fields = {name: (before[name], new) for name, new in config.prices.items() if before[name] != new}
    return [Change("change" if current else "add", "price", model.public_name, fields)]


def _apply_deployments(model: AIModel, configs: tuple[DeploymentConfig, ...]) -> list[Change]:
    changes: list[Change] = []
    gone = model.deployments.exclude(name__in=[config.name for config in configs])
    changes += [Change("remove", "deployment", deployment.name) for deployment in gone]
    gone.delete()
    for config in configs:
        wanted = {name: _plain(getattr(config, name)) for name in _DEPLOYMENT_FIELDS} | {"enabled": True}
        existing = Deployment.objects.filter(name=config.name).first()
        if existing is None:
            Deployment.objects.create(ai_model=model, name=config.name, api_key_sealed=_sealed(config), **wanted)
            changes.append(Change("add", "deployment", config.name))
            continue
        difference = _difference(existing, wanted | {"ai_model_id": model.pk})
        if config.api_key != (unseal(existing.api_key_sealed) if existing.api_key_sealed else ""):
            difference["api_key"] = ("…", "…")
        if difference:
            Deployment.objects.filter(pk=existing.pk).update(
                ai_model=model, api_key_sealed=_sealed(config), updated_at=timezone.now(), **wanted
            )
            changes.append(Change("change", "deployment", config.name, difference))
    return changes


def _sealed(config: DeploymentConfig) -> str:
    return seal(config.api_key) if config.api_key else ""


def _difference(row: Any, wanted: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    return {name: (getattr(row, name), value) for name, value in wanted.items() if getattr(row, name) != value}


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def change_as_json(change: Change) -> dict[str, Any]:
    return asdict(change)
