"""The base of our own commands: `--json`, and errors as one sentence (or one JSON object) with exit status 1."""

import json
import sys
from typing import Any

import redis
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import InterfaceError, OperationalError

from apps.common.errors import ArtemisError

AWAY = "The platform does not answer. Start it with `make run`, or set DATABASE_URL and REDIS_URL to where it runs."


class ArtemisCommand(BaseCommand):
    """Subclasses implement `answer`, which returns what `--json` prints, and `show`, which prints it for people."""

    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            result = self.answer(**options)
        except ArtemisError as error:
            self._fail(error.message, error.code, error.param, as_json=options["json"])
        except (OperationalError, InterfaceError, redis.ConnectionError):
            self._fail(AWAY, "platform_away", None, as_json=options["json"])
        else:
            if options["json"]:
                self.stdout.write(json.dumps(result, default=str))
            else:
                self.show(result)

    def answer(self, **options: Any) -> dict[str, Any]:
        raise NotImplementedError

    def show(self, result: dict[str, Any]) -> None:
        for name, value in result.items():
            self.stdout.write(f"{name}: {value}")

    def _fail(self, message: str, code: str, param: str | None, *, as_json: bool) -> None:
        if not as_json:
            raise CommandError(message)
        self.stdout.write(json.dumps({"error": {"message": message, "code": code, "param": param}}))
        sys.exit(1)
