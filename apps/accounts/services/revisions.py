"""Lets the gateways see changes of an account and its projects at once."""

from django.db import transaction
from django.db.models import F

from apps.accounts.models import Account
from apps.common.errors import NotFound
from apps.common.revisions import account_revision, publish


def raise_revision(account_id: int) -> None:
    """To be called in the transaction that makes the change; published once it is committed."""
    if not Account.objects.filter(pk=account_id).update(version=F("version") + 1):
        raise NotFound("There is no such account.")
    version = Account.objects.values_list("version", flat=True).get(pk=account_id)
    transaction.on_commit(lambda: publish({account_revision(account_id): version}))
