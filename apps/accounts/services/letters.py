"""Mails to those who answer for an account's money, to each of them alone; letters among them are kept."""

import logging
from datetime import timedelta
from typing import Any, TypeVar

from django.core.mail import EmailMessage, get_connection
from django.db import transaction
from django.db.models import Model
from django.utils import timezone

from apps.accounts.models import Letter
from apps.accounts.selectors import addresses_of_account

logger = logging.getLogger(__name__)
Row = TypeVar("Row", bound=Model)
ROLES = ("owner", "admin", "billing")
LEASE = timedelta(minutes=5)  # a mail that could not be sent is due again after it
GIVE_UP_AFTER = timedelta(days=1)
MOST_AT_ONCE = 10


def write_letter(*, account_id: int, subject: str, text: str) -> None:
    """To be mailed soon. In the transaction of what it tells of: neither is without the other."""
    Letter.objects.create(account_id=account_id, subject=subject, text=text)


def mail_letters() -> int:
    """Mails the letters that are due; how many."""
    return sum(mail_to_people(letter, letter.subject, letter.text) for letter in claim_mails(Letter))


def claim_mails(kind: type[Row]) -> list[Row]:
    """Rows, with `mail_due_at`, that are due. Nobody else takes them before the lease is over.

    They are due again should this process die.
    """
    now = timezone.now()
    rows: Any = kind._default_manager
    rows.filter(mail_due_at__lte=now, created_at__lt=now - GIVE_UP_AFTER).update(mail_due_at=None)
    with transaction.atomic():
        due = list(
            rows.filter(mail_due_at__lte=now).order_by("mail_due_at").select_for_update(skip_locked=True)[:MOST_AT_ONCE]
        )
        rows.filter(pk__in=[row.pk for row in due]).update(mail_due_at=now + LEASE)
    return due


def mail_to_people(row: Any, subject: str, text: str) -> bool:
    """Whether somebody got it. Whom the server refuses keeps nobody else from it."""
    addresses = addresses_of_account(account_id=row.account_id, roles=ROLES)
    connection = get_connection()
    sent = 0
    for address in addresses:
        try:
            sent += EmailMessage(subject, text, to=[address], connection=connection).send()
        except OSError as error:  # smtplib's errors are among them; they name addresses, the log does not
            logger.warning("%r was not mailed to one of its people: %s", subject, type(error).__name__)
    if sent or not addresses:
        done = timezone.now() if sent else None
        type(row).objects.filter(pk=row.pk).update(mail_due_at=None, mailed_at=done)
    return bool(sent)
