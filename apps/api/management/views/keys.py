"""API keys: made, changed, switched off, rotated, revoked. A secret is in the answer that made it, and nowhere else."""

from dataclasses import fields, replace
from datetime import timedelta
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.contracts import Permission
from apps.accounts.selectors import project_of_account
from apps.api.management.base import AccountView, described, listed, shown
from apps.api.management.inputs import KeyChanges, KeyInput, KeyQuery, RotateInput
from apps.api.management.outputs import KeyListSerializer, KeySerializer, NewKeySerializer
from apps.keys import selectors, services
from apps.keys.contracts import IssuedKey, KeyPolicy

COLUMNS = {
    "requests_per_minute": "rpm_limit",
    "tokens_per_minute": "tpm_limit",
    "tokens_per_day": "tpd_limit",
    "parallel_requests": "parallel_limit",
    "monthly_budget_nano_usd": "monthly_budget",
    "total_budget_nano_usd": "total_budget",
}
POLICY = frozenset(field.name for field in fields(KeyPolicy))


def policy_of(values: dict[str, Any], base: KeyPolicy) -> KeyPolicy:
    """`base` with what was sent."""
    sent = {COLUMNS.get(name, name): value for name, value in values.items()}
    policy: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in sent.items() if name in POLICY
    }
    return replace(base, **policy)


class KeysView(AccountView):
    needs = {"POST": Permission.KEYS}

    @described(operation_id="list_keys", tags=["keys"], parameters=[KeyQuery], responses=KeyListSerializer)
    def get(self, request: Request, slug: str) -> Response:
        """The account's keys, revoked ones at the end."""
        project = self.checked(KeyQuery).get("project")
        if project:
            project_of_account(account_id=self.account.id, slug=project)
        return listed(KeySerializer, selectors.keys_of_account(account_id=self.account.id, project_slug=project))

    @described(operation_id="create_key", tags=["keys"], request=KeyInput, responses={201: NewKeySerializer})
    def post(self, request: Request, slug: str) -> Response:
        """Makes a key. The answer is the only one that has it: `key`."""
        values = self.checked(KeyInput)
        issued = services.create_key(
            account_id=self.account.id,
            project_slug=values["project"],
            name=values["name"],
            policy=policy_of(values, KeyPolicy()),
            created_by_id=request.user.pk,
        )
        return new_key(self.account.id, issued)


def new_key(account_id: int, issued: IssuedKey) -> Response:
    row = selectors.key_of_account(account_id=account_id, public_id=issued.public_id)
    return Response({**KeySerializer(row).data, "key": issued.secret}, status=201)


class OneKeyView(AccountView):
    def answer(self, key: str) -> Response:
        return shown(KeySerializer, selectors.key_of_account(account_id=self.account.id, public_id=key))


class KeyView(OneKeyView):
    needs = {"PATCH": Permission.KEYS}

    @described(operation_id="get_key", tags=["keys"], responses=KeySerializer)
    def get(self, request: Request, slug: str, key: str) -> Response:
        """One key, without its secret."""
        return self.answer(key)

    @described(operation_id="update_key", tags=["keys"], request=KeyChanges, responses=KeySerializer)
    def patch(self, request: Request, slug: str, key: str) -> Response:
        """Changes what is sent; the rest stays. In effect at the very next request."""
        values = self.checked(KeyChanges, partial=True)
        row = selectors.key_of_account(account_id=self.account.id, public_id=key)
        services.update_key(
            account_id=self.account.id,
            public_id=key,
            name=values.get("name", row.name),
            policy=policy_of(values, row.policy),
        )
        return self.answer(key)


class DisableView(OneKeyView):
    needs = {"POST": Permission.KEYS}

    @described(operation_id="disable_key", tags=["keys"], request=None, responses=KeySerializer)
    def post(self, request: Request, slug: str, key: str) -> Response:
        """Refuses the key until it is enabled."""
        services.set_disabled(account_id=self.account.id, public_id=key, disabled=True)
        return self.answer(key)


class EnableView(OneKeyView):
    needs = {"POST": Permission.KEYS}

    @described(operation_id="enable_key", tags=["keys"], request=None, responses=KeySerializer)
    def post(self, request: Request, slug: str, key: str) -> Response:
        """Lets a disabled key work again."""
        services.set_disabled(account_id=self.account.id, public_id=key, disabled=False)
        return self.answer(key)


class RevokeView(OneKeyView):
    needs = {"POST": Permission.KEYS}

    @described(operation_id="revoke_key", tags=["keys"], request=None, responses=KeySerializer)
    def post(self, request: Request, slug: str, key: str) -> Response:
        """Refuses the key for ever, everywhere, at once."""
        services.revoke_key(account_id=self.account.id, public_id=key)
        return self.answer(key)


class RotateView(OneKeyView):
    needs = {"POST": Permission.KEYS}

    @described(operation_id="rotate_key", tags=["keys"], request=RotateInput, responses={201: NewKeySerializer})
    def post(self, request: Request, slug: str, key: str) -> Response:
        """Gives the key a new secret; the old one works until the grace period is over."""
        grace = timedelta(seconds=self.checked(RotateInput)["grace_seconds"])
        return new_key(self.account.id, services.rotate_key(account_id=self.account.id, public_id=key, grace=grace))
