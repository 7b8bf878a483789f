"""`manage.py grant_credit northwind 25 --reason "Welcome" --days 30`."""

import json
import uuid
from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from apps.accounts.selectors import account_id_of_slug
from apps.billing.selectors import balance_of_account
from apps.billing.services import grant_credit, set_credit_limit
from apps.common.errors import ArtemisError
from apps.common.money import format_usd, usd_to_nano


class Command(BaseCommand):
    help = "Gives an account promotional credit, and says how much use it may owe."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("account", help="Its slug")
        parser.add_argument("usd", help="US dollars, such as 25 or 0.50")
        parser.add_argument("--reason", required=True, help="Its people see it")
        parser.add_argument("--days", type=int, help="After which it ends; without it, never")
        parser.add_argument("--key", help="Done again under the same key, it gives nothing more")
        parser.add_argument("--credit-limit", help='US dollars of use that may be owed, 0 for none, "any" for no limit')
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            account_id = account_id_of_slug(slug=options["account"])
            grant_credit(
                account_id=account_id,
                amount=usd_to_nano(options["usd"]),
                key=options["key"] or f"command-{uuid.uuid4()}",
                reason=options["reason"],
                expires_at=timezone.now() + timedelta(days=options["days"]) if options["days"] else None,
            )
            if options["credit_limit"] is not None:
                limit = None if options["credit_limit"] == "any" else usd_to_nano(options["credit_limit"])
                set_credit_limit(account_id=account_id, limit=limit)
        except (ArtemisError, ValueError) as error:
            raise CommandError(str(error)) from error
        balance = balance_of_account(account_id=account_id)
        if options["json"]:
            self.stdout.write(json.dumps({"account": options["account"], "available_nano_usd": balance.available}))
        else:
            self.stdout.write(f"{options['account']} has {format_usd(balance.available)}.")
