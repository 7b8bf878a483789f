"""Tells an account's people that its credit is used up."""

from django.conf import settings
from django.db import transaction
from django.template.loader import render_to_string
from django.urls import reverse

from apps.accounts.selectors import account_name, credit_that_stops
from apps.accounts.services import write_letter
from apps.billing.ledger import Book
from apps.billing.models import Customer


@transaction.atomic
def tell_of_end(*, account_id: int) -> bool:
    """That calls were refused for want of credit; whether it was told. Once, until credit comes or goes again."""
    book = Book.of(account_id)
    credit = credit_that_stops(account_id=account_id)
    if credit is None or credit == book.customer.told_of_end:
        return False
    Customer.objects.filter(pk=account_id).update(told_of_end=credit)
    name, slug = account_name(account_id=account_id)
    context = {"account": name, "page": settings.PUBLIC_URL + reverse("portal:billing", args=[slug])}
    write_letter(
        account_id=account_id,
        subject=f"Calls are refused: the credit does not cover them ({name})",
        text=render_to_string("billing/email/credit_end.txt", context),
    )
    return True
