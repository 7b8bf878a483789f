"""Reads API keys: for their account's people, and for the gateway."""

from collections.abc import Collection
from datetime import datetime

from django.db.models import Q, QuerySet
from django.utils import timezone

from apps.accounts.contracts import BudgetRow
from apps.common.errors import NotFound
from apps.keys.contracts import KeyFacts, KeyPolicy, KeyRow
from apps.keys.models import ApiKey, KeySecret
from apps.keys.tokens import is_well_formed, token_hash


def keys_of_account(*, account_id: int, project_slug: str | None = None) -> list[KeyRow]:
    """The newest first, revoked ones at the end."""
    keys = _rows().filter(account_id=account_id)
    if project_slug:
        keys = keys.filter(project__slug=project_slug)
    return sorted((_row(key) for key in keys), key=lambda row: row.status == "revoked")


def key_of_account(*, account_id: int, public_id: str) -> KeyRow:
    key = _rows().filter(account_id=account_id, public_id=public_id).first()
    if key is None:
        raise NotFound("There is no such key in this account.")
    return _row(key)


def key_by_id(*, account_id: int, key_id: int) -> KeyRow:
    """The same, by the id that other rooms keep. Raises NotFound."""
    key = _rows().filter(account_id=account_id, pk=key_id).first()
    if key is None:
        raise NotFound("There is no such key in this account.")
    return _row(key)


def facts_of_key(*, account_id: int, public_id: str) -> KeyFacts:
    """For what its account's people do with a key on the portal, who never show its secret. Raises NotFound."""
    key_id = ApiKey.objects.filter(account_id=account_id, public_id=public_id).values_list("pk", flat=True).first()
    facts = facts_of_secret(secret_hash=current_secret_hash(key_id=key_id)) if key_id else None
    if facts is None:
        raise NotFound("There is no such key in this account.")
    return facts


def keys_of_others(*, account_id: int, public_ids: Collection[str]) -> list[str]:
    """Those of these ids that are of no key of the account."""
    own = ApiKey.objects.filter(account_id=account_id, public_id__in=public_ids).values_list("public_id", flat=True)
    return sorted(set(public_ids) - set(own))


def secret_hash_of_token(*, token: str) -> str | None:
    """What a key is known by; None for what cannot have been made here. Asks nobody."""
    return token_hash(token) if is_well_formed(token) else None


def facts_of_secret(*, secret_hash: str) -> KeyFacts | None:
    """What the gateway must know of the key whose token has this SHA-256; None where there is none."""
    secret = (
        KeySecret.objects.filter(secret_hash=secret_hash)
        .select_related("api_key__account__tier", "api_key__project")
        .first()
    )
    if secret is None:
        return None
    key = secret.api_key
    return KeyFacts(
        secret_hash=secret_hash,
        key_id=key.pk,
        public_id=key.public_id,
        version=key.version,
        account_id=key.account_id,
        account_version=key.account.version,
        project_id=key.project_id,
        policy=_policy(key),
        account_budget=key.account.monthly_budget,
        project_budget=key.project.monthly_budget,
        account_total_budget=key.account.total_budget,
        account_credit=key.account.credit,
        tier=key.account.tier.name if key.account.tier else "",
        project_total_budget=key.project.total_budget,
        account_budget_is_hard=key.account.budget_is_hard,
        project_budget_is_hard=key.project.budget_is_hard,
        project_limits=key.project.limits,
        account_limits=key.account.effective_limits,
        end_user_limits=key.account.end_user_limits,
        prompts_are_logged=key.account.prompts_kept_days is not None,
        secret_expires_at=secret.expires_at,
        disabled=key.disabled_at is not None or key.project.archived_at is not None,
        revoked=key.revoked_at is not None,
        account_suspended=key.account.suspended_at is not None,
    )


def current_secret_hash(*, key_id: int) -> str:
    """Of the secret that was given to the key last, and that outlives the others; for work in the key's name."""
    secrets = KeySecret.objects.filter(api_key_id=key_id).order_by("-pk")
    return secrets.values_list("secret_hash", flat=True)[:1].get()


def key_by_public_id(*, public_id: str) -> tuple[int, int]:
    """(key id, account id), for staff and commands, which act for any account. Raises NotFound."""
    row = ApiKey.objects.filter(public_id=public_id).values_list("pk", "account_id").first()
    if row is None:
        raise NotFound(f"There is no key {public_id!r}.")
    return row


def is_usable(*, token: str) -> bool:
    """Whether a key would be admitted now, from some address."""
    secret = KeySecret.objects.filter(secret_hash=token_hash(token)).select_related("api_key").first()
    return secret is not None and secret.expires_at is None and _status(secret.api_key, timezone.now()) == "active"


def key_ids(*, account_id: int | None = None) -> list[int]:
    """The ids of an account's keys; of all keys without one, for staff and commands."""
    keys = ApiKey.objects.all() if account_id is None else ApiKey.objects.filter(account_id=account_id)
    return list(keys.values_list("pk", flat=True))


def budgets_of_keys(*, account_id: int | None = None) -> list[BudgetRow]:
    """Of live keys that have a budget: of this account, or all of them for the platform's own work."""
    keys = ApiKey.objects.filter(
        Q(monthly_budget__isnull=False) | Q(total_budget__isnull=False), revoked_at=None, account__suspended_at=None
    )
    if account_id is not None:
        keys = keys.filter(account_id=account_id)
    return [
        BudgetRow(
            scope="key",
            id=key.pk,
            account_id=key.account_id,
            reference=key.public_id,
            name=key.name,
            monthly=key.monthly_budget,
            total=key.total_budget,
            is_hard=key.budget_is_hard,
        )
        for key in keys
    ]


def _rows() -> QuerySet[ApiKey]:
    return ApiKey.objects.select_related("project", "created_by").prefetch_related("secrets")


def _policy(key: ApiKey) -> KeyPolicy:
    return KeyPolicy(
        allowed_models=tuple(key.allowed_models),
        allowed_endpoints=tuple(key.allowed_endpoints),
        ip_allow_list=tuple(key.ip_allow_list),
        rpm_limit=key.rpm_limit,
        tpm_limit=key.tpm_limit,
        tpd_limit=key.tpd_limit,
        parallel_limit=key.parallel_limit,
        monthly_budget=key.monthly_budget,
        total_budget=key.total_budget,
        budget_is_hard=key.budget_is_hard,
        expires_at=key.expires_at,
    )


def _row(key: ApiKey) -> KeyRow:
    now = timezone.now()
    live = [secret for secret in key.secrets.all() if secret.expires_at is None or secret.expires_at > now]
    return KeyRow(
        public_id=key.public_id,
        name=key.name,
        project_slug=key.project.slug,
        project_name=key.project.name,
        hints=tuple(secret.hint for secret in live),
        status=_status(key, now),
        policy=_policy(key),
        created_at=key.created_at,
        created_by=key.created_by.email if key.created_by else "",
        last_used_at=key.last_used_at,
        rotating_until=max((secret.expires_at for secret in live if secret.expires_at), default=None),
    )


def _status(key: ApiKey, now: datetime) -> str:
    if key.revoked_at:
        return "revoked"
    if key.disabled_at:
        return "disabled"
    if key.expires_at and key.expires_at <= now:
        return "expired"
    return "active"
