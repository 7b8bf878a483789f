"""The accounts that a person belongs to, and the models on offer to each."""

from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.selectors import accounts_of_user
from apps.api.management.base import AccountView, ManagementView, described, listed, person, shown
from apps.api.management.outputs import AccountListSerializer, AccountSerializer, ModelListSerializer, ModelSerializer
from apps.catalog.selectors import models_for_account


class AccountsView(ManagementView):
    @described(operation_id="list_accounts", tags=["accounts"], responses=AccountListSerializer)
    def get(self, request: Request) -> Response:
        """The accounts that you belong to."""
        return listed(AccountSerializer, accounts_of_user(user_id=person(request)))


class AccountDetailView(AccountView):
    @described(operation_id="get_account", tags=["accounts"], responses=AccountSerializer)
    def get(self, request: Request, slug: str) -> Response:
        """One account, with your role in it."""
        return shown(AccountSerializer, self.account)


class ModelsView(AccountView):
    @described(operation_id="list_account_models", tags=["models"], responses=ModelListSerializer)
    def get(self, request: Request, slug: str) -> Response:
        """What this account may call, with its prices."""
        return listed(ModelSerializer, models_for_account(account_id=self.account.id))
