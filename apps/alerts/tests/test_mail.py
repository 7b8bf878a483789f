"""Who is mailed of a budget: those who answer for the account's money, each alone, and nobody else."""

from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.utils import timezone

from apps.accounts.tests.cast import Cast
from apps.alerts.models import BudgetAlert
from apps.alerts.services import check_budgets, mail_waiting
from apps.alerts.tests.conftest import key_of, spend
from apps.keys.models import ApiKey


@pytest.fixture
def key(cast: Cast) -> ApiKey:
    key = key_of(cast.northwind.id, monthly_budget=2_000_000_000)
    spend(key, 1_600_000_000)
    return key


def test_owners_admins_and_billing_members_each_alone(cast: Cast, key: ApiKey, settings: Any) -> None:
    for role in ("admin", "billing", "viewer"):
        cast.join(role)
    gone = cast.join("owner")
    gone.is_active = False
    gone.save()
    assert (check_budgets(), mail_waiting(), mail_waiting()) == (1, 1, 0)
    assert [letter.to for letter in mail.outbox] == [[f"{name}@example.com"] for name in ("alice", "admin", "billing")]
    letter = mail.outbox[0]
    assert letter.subject == "80 % of the budget of the key “Chat” is spent (Northwind)"
    text = str(letter.body)
    assert "$1.60 of $2.00 are spent: 80 %" in text
    assert f"{settings.PUBLIC_URL}/a/northwind/keys/{key.public_id}/" in text
    assert "@example.com" not in text and "charlie" not in "".join(str(sent.message()) for sent in mail.outbox).lower()
    assert BudgetAlert.objects.get().mailed_at is not None


def test_what_the_mail_server_refuses_is_tried_again(cast: Cast, key: ApiKey, settings: Any) -> None:
    working = settings.EMAIL_BACKEND
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_PORT = 1  # nobody answers there
    assert (check_budgets(), mail_waiting()) == (1, 0)
    settings.EMAIL_BACKEND = working
    assert mail_waiting() == 0  # not yet
    BudgetAlert.objects.update(mail_due_at=timezone.now())
    assert mail_waiting() == 1 and len(mail.outbox) == 1


def test_old_news_is_not_mailed(cast: Cast, key: ApiKey) -> None:
    check_budgets()
    BudgetAlert.objects.update(created_at=timezone.now() - timedelta(days=2))
    assert mail_waiting() == 0
    assert BudgetAlert.objects.get().mail_due_at is None and mail.outbox == []
