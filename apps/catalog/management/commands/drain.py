"""Moves traffic away from engines, and back."""

import time
from typing import Any

from django.core.management.base import CommandParser

from apps.catalog.maintenance import bring_back, drain
from apps.catalog.metrics_pages import metrics_of
from apps.catalog.selectors import engines
from apps.common.commands import ArtemisCommand
from inference.load import parse_metrics

POLL_SECONDS = 0.5


class Command(ArtemisCommand):
    help = "No new request goes to these deployments' engines; with --back, they serve again once they answer."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("deployments", nargs="+", help="all deployments at the same addresses go with them")
        parser.add_argument("--back", action="store_true", help="bring them back")
        parser.add_argument("--reason", default="Maintenance.", help="staff see it beside the deployment")
        parser.add_argument(
            "--wait", type=float, default=0, metavar="SECONDS", help="until nothing runs there any more"
        )

    def answer(self, **options: Any) -> dict[str, Any]:
        names = options["deployments"]
        if options["back"]:
            return {"returning": bring_back(names=names)}
        drained = drain(names=names, reason=options["reason"])
        deadline = time.monotonic() + options["wait"]
        while (running := _running(drained)) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
        return {"drained": drained, "running": running}

    def show(self, result: dict[str, Any]) -> None:
        for what, names in (
            ("Drained", result.get("drained")),
            ("Returning, once they answer", result.get("returning")),
        ):
            if names:
                self.stdout.write(f"{what}: {', '.join(names)}")
        if result.get("running"):
            self.stdout.write(self.style.WARNING(f"Requests that still run there: {result['running']}"))


def _running(names: list[str]) -> int:
    """Requests that run or wait at the engines of these deployments, by what they say themselves."""
    known = {address: those for address, those in engines().items() if {one.name for one in those} & set(names)}
    loads = [parse_metrics(page.text) for page in metrics_of(known).values()]
    return sum(load.running + load.waiting for load in loads if load)
