"""Tells an account's people that its credit is used up."""

from django.db import transaction

from apps.accounts.selectors import credit_that_stops
from apps.billing.ledger import Book
from apps.billing.models import Customer
from apps.billing.services.letters import write_about_money


@transaction.atomic
def tell_of_end(*, account_id: int, credit: int) -> bool:
    """That calls were refused when the account could use so much in all (nano-dollars); whether it was told.

    Once, until credit comes or goes again, and not where it has come since.
    """
    book = Book.of(account_id)
    if credit != credit_that_stops(account_id=account_id) or credit == book.customer.told_of_end:
        return False
    Customer.objects.filter(pk=account_id).update(told_of_end=credit)
    write_about_money(
        account_id=account_id, subject="Calls are refused: the credit does not cover them", template="credit_end"
    )
    return True
