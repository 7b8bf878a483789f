"""`manage.py rebuild_counters`: what was spent, made anew from PostgreSQL and the stream, while calls go on."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from apps.common.redis import sync_redis
from apps.gateway.counters import begin_counter
from apps.usage.selectors import spending_counters


class Command(BaseCommand):
    help = "Makes the counters of what was spent anew; what keys and accounts may still use follows from them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        changed = {}
        for scope, period in spending_counters():
            name = f"art:spent:{scope}:{period}"
            before = sync_redis().get(name)
            begin_counter(scope, period, anew=True)
            after = sync_redis().get(name)
            if before != after:
                changed[name] = int(after or 0) - int(before or 0)
        if options["json"]:
            self.stdout.write(json.dumps({"changed": changed}))
        else:
            for name, difference in changed.items():
                self.stdout.write(f"{name}: {difference:+d}")
            self.stdout.write(f"{len(changed)} counters changed.")
