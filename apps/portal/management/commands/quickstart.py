"""manage.py quickstart: makes one machine's platform ready to be used; `make run` calls it at every start."""

import json
import secrets
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandParser

from apps.accounts.models import User
from apps.accounts.services import ensure_account
from apps.catalog.services import load_models
from apps.common.commands import ArtemisCommand
from apps.keys.contracts import KeyPolicy
from apps.keys.selectors import is_usable
from apps.keys.services import create_key

ADMIN_EMAIL = "admin@artemis.local"


class Command(ArtemisCommand):
    help = "Migrates, loads the models, and makes sure that there is an administrator with an account and a key."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--models-file", type=Path, action="append", default=[], help="a LiteLLM YAML")
        parser.add_argument("--file", type=Path, required=True, help="where to keep what a caller needs (mode 0600)")

    def answer(self, **options: Any) -> dict[str, Any]:
        call_command("migrate", interactive=False, verbosity=0, skip_checks=True)
        for models_file in options["models_file"]:
            load_models(text=models_file.read_text())
        file: Path = options["file"]
        known = json.loads(file.read_text()) if file.exists() else {}
        email, password = _administrator(known)
        account = ensure_account(user_id=User.objects.get(email=email).pk)
        key = known.get("api_key", "")
        if not key or not is_usable(token=key):
            issued = create_key(account_id=account.id, project_slug="default", name="Quickstart", policy=KeyPolicy())
            key = issued.secret
        facts = {
            "base_url": f"{settings.PUBLIC_URL}/v1",
            "portal_url": f"{settings.PUBLIC_URL}/",
            "admin_email": email,
            "admin_password": password,
            "api_key": key,
            "account": account.slug,
        }
        file.touch(mode=0o600)
        file.chmod(0o600)
        file.write_text(json.dumps({**known, **facts}, indent=2) + "\n")
        return {"file": str(file)}  # what is printed ends in a log: no key, no password


def _administrator(known: dict[str, Any]) -> tuple[str, str | None]:
    """Address and first password of the administrator; no password once the administrator has changed it."""
    email = str(known.get("admin_email", ADMIN_EMAIL))
    user = User.objects.filter(email=email).first()
    if user is None:
        password = secrets.token_urlsafe(12)
        User.objects.create_superuser(email, password)
        return email, password
    password = known.get("admin_password") or ""
    return email, password if user.check_password(password) else None
