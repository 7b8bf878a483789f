"""`manage.py check_ledger`: proves the ledger, from the requests to what accounts may use; exits with 1 otherwise."""

import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.billing.services import check_ledger, rebuild_balances
from apps.common.money import format_usd


class Command(BaseCommand):
    help = "Proves the ledger from its entries; with --rebuild, makes all that is derived from them anew first."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--rebuild", action="store_true")
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        rebuilt = rebuild_balances() if options["rebuild"] else 0
        findings = check_ledger()
        if options["json"]:
            self.stdout.write(json.dumps({"rebuilt": rebuilt, "findings": [asdict(one) for one in findings]}))
        else:
            if rebuilt:
                self.stdout.write(f"{rebuilt} balances were wrong, and are made anew.")
            for one in findings:
                self.stdout.write(f"{one.what}: {one.where}, by {format_usd(one.difference)}")
        if findings:
            raise CommandError(f"{len(findings)} findings: the ledger is not sound.")
        if not options["json"]:
            self.stdout.write("The ledger is sound.")
