"""manage.py usage: what was used, and what is in flight. Stands here because it asks both."""

from typing import Any

from django.core.management.base import CommandParser

from apps.accounts.selectors import account_id_of_slug
from apps.common.commands import ArtemisCommand
from apps.common.errors import NotFound
from apps.common.money import format_usd
from apps.common.parsing import parse_time
from apps.gateway.selectors import open_holds
from apps.keys.selectors import key_by_public_id, key_ids
from apps.usage.selectors import event_totals
from apps.usage.services import drain_events


class Command(ArtemisCommand):
    help = "Prints what a key, an account, or the whole platform has used."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--key", help="id of a key, key_…")
        parser.add_argument("--account", help="slug of an account")
        parser.add_argument("--since", help="ISO 8601, such as 2027-01-31 or 2027-01-31T12:00:00Z")

    def answer(self, **options: Any) -> dict[str, Any]:
        drain_events()  # what was settled a moment ago counts, too
        key_id = account_id = None
        if options["account"]:
            account_id = account_id_of_slug(slug=options["account"])
        if options["key"]:
            key_id, owner = key_by_public_id(public_id=options["key"])
            if account_id not in (None, owner):
                raise NotFound(f"The key {options['key']} is not of the account {options['account']}.")
        since = parse_time(options["since"], "since") if options["since"] else None
        totals = event_totals(key_id=key_id, account_id=account_id, since=since)
        holds = open_holds(key_ids=[key_id] if key_id else key_ids(account_id=account_id))
        return {
            "requests": totals.requests,
            "failed_requests": totals.failed_requests,
            "input_tokens": totals.input_tokens,
            "cached_input_tokens": totals.cached_input_tokens,
            "output_tokens": totals.output_tokens,
            "reasoning_tokens": totals.reasoning_tokens,
            "searches": totals.searches,
            "cost_nano_usd": totals.cost,
            "open_holds": holds,
        }

    def show(self, result: dict[str, Any]) -> None:
        super().show(result)
        self.stdout.write(f"cost: {format_usd(result['cost_nano_usd'])}")
