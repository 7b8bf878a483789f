"""What of a request a deployment can do: fields that its engine passes over in silence, others' extensions."""

from collections.abc import Mapping
from typing import Any

from apps.catalog.contracts import Catalog, ModelFacts
from apps.common.errors import Invalid
from apps.gateway.contracts import Call
from inference.router import Deployment

# Without them the answer would be an answer to something else: begun anew, instead of gone on with.
TELLING = frozenset({"continue_final_message", "add_generation_prompt"})
# Providers whose servers run what the catalog's extensions are of; any other refuses them, or LiteLLM passes them on.
EXTENSIBLE = frozenset({"hosted_vllm", "openai", "custom_openai", "llamafile"})


def check_supported(model: ModelFacts, payload: Mapping[str, Any]) -> None:
    """Raises Invalid for a field that every engine of the model would pass over in silence."""
    for name in sorted(model.unsupported):
        if _asks_for(payload, name):
            raise Invalid(
                name,
                f"{model.public_name} does not support {name}: its engine would answer as if it were not there.",
                code="unsupported_parameter",
            )


def suits(deployment: Deployment, call: Call, catalog: Catalog) -> bool:
    """Whether the deployment can answer this request, and not another one."""
    if deployment.unsupported and any(_asks_for(call.payload, name) for name in deployment.unsupported):
        return False
    return not call.extensions or not (TELLING & call.extensions) - _known(deployment, catalog).keys()


def fitted(payload: dict[str, Any], deployment: Deployment, call: Call, catalog: Catalog) -> dict[str, Any]:
    """The payload without the extensions that only engines of the asked model know."""
    if not call.extensions:
        return payload
    known = _known(deployment, catalog)
    kept: dict[str, Any] = {}
    for name, value in payload.items():
        if name not in call.extensions:
            kept[name] = value
        elif name in known:
            inner = known[name]
            if inner and isinstance(value, dict):
                value = {member: setting for member, setting in value.items() if member in inner}
            kept[name] = value
    return kept


def _known(deployment: Deployment, catalog: Catalog) -> dict[str, set[str]]:
    """The extensions that a deployment takes, and of nested ones their members."""
    model = catalog.models.get(deployment.model_group)
    found: dict[str, set[str]] = {}
    if model is None or deployment.provider not in EXTENSIBLE:
        return found
    for extension in model.extensions:
        name, _, member = extension.partition(".")
        found.setdefault(name, set()).update([member] if member else ())
    return found


def _asks_for(payload: Mapping[str, Any], name: str) -> bool:
    """Whether the field says anything: no tools are no tools, and the best of as many as are wanted are all of them."""
    value = payload.get(name)
    return value > (payload.get("n") or 1) if name == "best_of" and value else bool(value)
