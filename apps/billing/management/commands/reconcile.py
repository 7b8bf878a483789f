"""`manage.py reconcile`: compares requests, ledger and Stripe; exits with 1 where something is not explained."""

from dataclasses import asdict
from datetime import date
from typing import Any

from django.core.management.base import CommandError, CommandParser

from apps.billing.contracts import NANO_USD
from apps.billing.services import reconcile
from apps.common.commands import ArtemisCommand
from apps.common.money import format_usd


class Command(ArtemisCommand):
    help = "Reconciles events, their sums, the ledger and Stripe, by account and day."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--since", type=date.fromisoformat, help="The first day (UTC), such as 2026-11-01")
        parser.add_argument("--until", type=date.fromisoformat, help="The last day; today, where it is not given")
        parser.add_argument("--all", action="store_true", help="All days there ever were, instead of the last 35")

    def handle(self, *args: Any, **options: Any) -> None:
        super().handle(*args, **options)
        if not self.is_clean:
            raise CommandError("The books do not agree: see what is not explained, and what was not compared.")

    def answer(self, **options: Any) -> dict[str, Any]:
        found = reconcile(first_day=options["since"], last_day=options["until"], ever=options["all"])
        self.is_clean = found.is_clean
        return {"clean": found.is_clean, **asdict(found)}

    def show(self, result: dict[str, Any]) -> None:
        for check in result["checks"]:
            said = f"{check['compared']} compared" if check["state"] == "done" else check["state"]
            self.stdout.write(f"{check['title']}: {said}" + (f". {check['note']}" if check["note"] else ""))
        for one in result["explained"]:
            self.stdout.write(f"explained: {one['what']}: {one['where']}, by {_size(one)} ({one['why']})")
        for one in result["findings"]:
            self.stdout.write(f"NOT EXPLAINED: {one['what']}: {one['where']}, by {_size(one)}")
        if result["clean"]:
            self.stdout.write("The books agree.")


def _size(one: dict[str, Any]) -> str:
    difference: int = one["difference"]
    return format_usd(difference) if one["unit"] == NANO_USD else f"{difference:,} {one['unit'].replace('_', ' ')}"
