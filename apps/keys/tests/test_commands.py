"""manage.py create_key, with the budgets that it is given."""

import json

import pytest
from django.core.management import call_command

from apps.accounts.tests.cast import Cast
from apps.keys.models import ApiKey


@pytest.mark.parametrize(("options", "is_hard"), [((), True), (("--soft-budget",), False)])
def test_a_budget_is_hard_unless_it_is_said_to_be_soft(
    cast: Cast, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], is_hard: bool
) -> None:
    call_command("create_key", "--account", "northwind", "--name", "k", "--budget-usd", "1", "--json", *options)
    key = ApiKey.objects.get(public_id=json.loads(capsys.readouterr().out)["id"])
    assert (key.monthly_budget, key.budget_is_hard) == (1_000_000_000, is_hard)
