"""manage.py revoke_key ID: for ever, everywhere, at once."""

from typing import Any

from django.core.management.base import CommandParser

from apps.common.commands import ArtemisCommand
from apps.keys.selectors import key_by_public_id
from apps.keys.services import revoke_key


class Command(ArtemisCommand):
    help = "Revokes an API key. Requests with it are refused from this moment on."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("id", help="the key's id, key_…")

    def answer(self, **options: Any) -> dict[str, Any]:
        _, account_id = key_by_public_id(public_id=options["id"])
        revoke_key(account_id=account_id, public_id=options["id"])
        return {"id": options["id"], "revoked": True}
