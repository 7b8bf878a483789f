"""manage.py load_models FILE: a LiteLLM proxy's YAML, as it stands."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from apps.catalog.services import change_as_json, load_models
from apps.common.commands import ArtemisCommand
from apps.common.errors import Invalid

SIGNS = {"add": "+", "change": "~", "remove": "-"}


class Command(ArtemisCommand):
    help = "Loads models and deployments from a LiteLLM proxy's YAML; running gateways see them within seconds."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("file", type=Path)
        parser.add_argument("--dry-run", action="store_true", help="show what would change, change nothing")
        parser.add_argument(
            "--prune", action="store_true", help="take models that the file does not name off the offer"
        )

    def answer(self, **options: Any) -> dict[str, Any]:
        try:
            text = options["file"].read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise Invalid("file", f"{options['file']} cannot be read: {error}") from error
        changes = load_models(text=text, prune=options["prune"], dry_run=options["dry_run"])
        return {"applied": not options["dry_run"], "changes": [change_as_json(change) for change in changes]}

    def show(self, result: dict[str, Any]) -> None:
        for change in result["changes"]:
            self.stdout.write(f"{SIGNS[change['action']]} {change['kind']} {change['name']}")
            for name, (before, after) in change["fields"].items():
                self.stdout.write(f"    {name}: {before} → {after}")
        count = len(result["changes"])
        self.stdout.write(f"{count} changes" + ("." if result["applied"] else ", not applied (--dry-run)."))
