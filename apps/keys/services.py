"""Makes, changes, rotates and revokes API keys. Every change is published to the gateways once it is committed."""

import ipaddress
from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from apps.accounts.selectors import project_of_account
from apps.common.endpoints import ENDPOINTS
from apps.common.errors import Invalid, NotFound
from apps.common.limits import LIMIT_FIELDS
from apps.common.revisions import key_revision, publish
from apps.keys.contracts import IssuedKey, KeyPolicy
from apps.keys.models import ApiKey, KeySecret
from apps.keys.tokens import new_token, random_text, token_hash, token_hint

LONGEST_GRACE = timedelta(days=30)


@transaction.atomic
def create_key(
    *, account_id: int, project_slug: str, name: str, policy: KeyPolicy, created_by_id: int | None = None
) -> IssuedKey:
    """The secret is in the answer and nowhere else."""
    project = project_of_account(account_id=account_id, slug=project_slug)
    if project.archived:
        raise NotFound(
            f"The project {project_slug!r} is archived. Restore it first, or name another one.", param="project"
        )
    key = ApiKey.objects.create(
        public_id=f"key_{random_text(16)}",
        account_id=account_id,
        project_id=project.id,
        name=_checked_name(name),
        created_by_id=created_by_id,
        **_checked_policy(policy, now=timezone.now()),
    )
    return _issue_secret(key)


@transaction.atomic
def update_key(*, account_id: int, public_id: str, name: str, policy: KeyPolicy) -> None:
    key = _own_key(account_id, public_id)
    expiry_is_new = policy.expires_at != key.expires_at
    values = _checked_policy(policy, now=timezone.now() if expiry_is_new else None)
    _change(key, name=_checked_name(name), **values)


@transaction.atomic
def set_disabled(*, account_id: int, public_id: str, disabled: bool) -> None:
    """Switches a key off for now, or on again."""
    _change(_own_key(account_id, public_id), disabled_at=timezone.now() if disabled else None)


@transaction.atomic
def revoke_key(*, account_id: int, public_id: str) -> None:
    """Switches a key off for ever. Revoking it again changes nothing."""
    key = ApiKey.objects.select_for_update().filter(account_id=account_id, public_id=public_id).first()
    if key is None:
        raise NotFound("There is no such key in this account.")
    if key.revoked_at is None:
        _change(key, revoked_at=timezone.now())


@transaction.atomic
def rotate_key(*, account_id: int, public_id: str, grace: timedelta) -> IssuedKey:
    """Gives the key a new secret; the old ones work until `grace` is over (zero: not any more)."""
    if not timedelta(0) <= grace <= LONGEST_GRACE:
        raise Invalid("grace", f"Give a grace period between nothing and {LONGEST_GRACE.days} days.")
    key = _own_key(account_id, public_id)
    end = timezone.now() + grace
    key.secrets.filter(expires_at=None).update(expires_at=end)
    key.secrets.filter(expires_at__gt=end).update(expires_at=end)
    _change(key)
    return _issue_secret(key)


def check_key(*, name: str, policy: KeyPolicy, new: bool) -> None:
    """Raises what making or changing a key would, before anything is written. `new`: whether its expiry is."""
    _checked_name(name)
    _checked_policy(policy, now=timezone.now() if new else None)


def note_last_use(*, uses: dict[int, datetime]) -> None:
    """Records when keys were last used, from the gateways' own notes; never moves a time back."""
    for key_id, moment in uses.items():
        ApiKey.objects.filter(pk=key_id).exclude(last_used_at__gte=moment).update(last_used_at=moment)


def _own_key(account_id: int, public_id: str) -> ApiKey:
    key = ApiKey.objects.select_for_update().filter(account_id=account_id, public_id=public_id).first()
    if key is None:
        raise NotFound("There is no such key in this account.")
    if key.revoked_at is not None:
        raise Invalid(None, "This key is revoked; make a new one.", code="key_revoked")
    return key


def _change(key: ApiKey, **values: Any) -> None:
    ApiKey.objects.filter(pk=key.pk).update(version=F("version") + 1, updated_at=timezone.now(), **values)
    key.refresh_from_db()
    revision = {key_revision(key.public_id): key.version}
    transaction.on_commit(lambda: publish(revision))


def _issue_secret(key: ApiKey) -> IssuedKey:
    token = new_token()
    secret = KeySecret.objects.create(api_key=key, secret_hash=token_hash(token), hint=token_hint(token))
    return IssuedKey(public_id=key.public_id, secret=token, name=key.name, hint=secret.hint)


def _checked_name(name: str) -> str:
    name = name.strip()
    if not 1 <= len(name) <= 120 or not name.isprintable():
        raise Invalid("name", "Give the key a name of 1 to 120 printable characters.")
    return name


def _checked_policy(policy: KeyPolicy, *, now: datetime | None) -> dict[str, Any]:
    """The policy as columns. `now` is given where the expiry is new and so must lie ahead."""
    if now and policy.expires_at and policy.expires_at <= now:
        raise Invalid("expires_at", "Give a time of expiry that lies in the future.")
    for limit in LIMIT_FIELDS:
        value = getattr(policy, limit)
        if value is not None and not 1 <= value < 2**31:
            raise Invalid(limit, "Give a whole number above zero, or leave it empty.")
    for budget in ("monthly_budget", "total_budget"):
        value = getattr(policy, budget)
        if value is not None and not 0 <= value < 2**53:
            raise Invalid(budget, "Give a sum of zero or more, or leave it empty.")
    unknown = sorted(set(policy.allowed_endpoints) - set(ENDPOINTS))
    if unknown:
        raise Invalid("allowed_endpoints", f"Unknown: {', '.join(unknown)}. Known: {', '.join(ENDPOINTS)}.")
    if not all(len(name) <= 120 and name.isprintable() for name in policy.allowed_models):
        raise Invalid("allowed_models", "Give names of models, of at most 120 printable characters.")
    columns = asdict(policy)
    columns["ip_allow_list"] = _checked_networks(policy.ip_allow_list)
    columns["allowed_models"] = [name.strip() for name in policy.allowed_models if name.strip()]
    columns["allowed_endpoints"] = list(policy.allowed_endpoints)
    return columns


def _checked_networks(networks: Iterable[str]) -> list[str]:
    try:
        return [str(ipaddress.ip_network(network.strip(), strict=False)) for network in networks if network.strip()]
    except ValueError as error:
        raise Invalid("ip_allow_list", f"{error}. Give addresses or networks such as 203.0.113.0/24.") from error
