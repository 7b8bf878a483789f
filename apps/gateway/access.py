"""Who may call: from a token to the facts of a key that may be used now, from here, for this."""

import ipaddress
from datetime import UTC, datetime

from apps.catalog.contracts import Catalog, ModelFacts
from apps.common.endpoints import ENDPOINTS, ONLY_WHERE_NAMED
from apps.common.errors import Forbidden, NotFound, Unauthenticated
from apps.keys.contracts import KeyFacts
from apps.keys.selectors import secret_hash_of_token

INVALID_KEY = "This API key is not valid. Check it, or make a new one in the portal."


def hash_of_token(token: str) -> str:
    """What a key is known by. Raises Unauthenticated for what cannot be a key."""
    secret_hash = secret_hash_of_token(token=token)
    if secret_hash is None:
        raise Unauthenticated(INVALID_KEY)
    return secret_hash


def checked(facts: KeyFacts | None, address: str) -> KeyFacts:
    """The facts of a key that may be used now, from this address. Raises Unauthenticated or Forbidden."""
    if facts is None or facts.revoked:
        raise Unauthenticated(INVALID_KEY)
    now = datetime.now(UTC)
    if any(end is not None and end <= now for end in (facts.secret_expires_at, facts.policy.expires_at)):
        raise Unauthenticated("This API key has expired. Make a new one in the portal.", code="api_key_expired")
    if facts.disabled:
        raise Unauthenticated("This API key is switched off. Switch it on in the portal.", code="api_key_disabled")
    if facts.account_suspended:
        raise Forbidden("This account is suspended; its owner finds out why in the portal.", code="account_suspended")
    if facts.policy.ip_allow_list and not _is_within(address, facts.policy.ip_allow_list):
        raise Forbidden("This API key may not be used from this address.", code="ip_not_allowed")
    return facts


def _is_within(address: str, networks: tuple[str, ...]) -> bool:
    try:
        caller = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = getattr(caller, "ipv4_mapped", None)
    return any((mapped or caller) in ipaddress.ip_network(network) for network in networks)


def check_endpoint(facts: KeyFacts, endpoint: str) -> None:
    """Raises Forbidden where the key is for other endpoints."""
    allowed = facts.policy.allowed_endpoints
    if endpoint in allowed or not (allowed or endpoint in ONLY_WHERE_NAMED):
        return
    message = f"This API key may not call {endpoint}."
    if endpoint in ONLY_WHERE_NAMED:
        message += f" It takes one for which “{ENDPOINTS[endpoint]}” is ticked in the portal."
    raise Forbidden(message, code="endpoint_not_allowed")


def models_of_key(catalog: Catalog, facts: KeyFacts) -> list[ModelFacts]:
    """What this key may call: on offer to its account and allowed by its policy."""
    allowed = facts.policy.allowed_models
    return [
        model
        for model in catalog.models.values()
        if model.account_id in (None, facts.account_id) and (not allowed or model.public_name in allowed)
    ]


def model_of_key(catalog: Catalog, facts: KeyFacts, name: str) -> ModelFacts:
    """Raises NotFound for a model that does not exist, and just so for one that is not for this account."""
    model = catalog.models.get(name)
    if model is None or model.account_id not in (None, facts.account_id):
        raise NotFound(
            f"The model {name[:100]!r} does not exist or is not for this account. GET /v1/models lists those that are.",
            code="model_not_found",
            param="model",
        )
    if facts.policy.allowed_models and name not in facts.policy.allowed_models:
        raise Forbidden(f"This API key may not use the model {name!r}.", code="model_not_allowed", param="model")
    return model
