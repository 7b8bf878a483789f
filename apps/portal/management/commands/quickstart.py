"""manage.py quickstart: makes one machine's platform ready to be used; `make run` calls it at every start."""

import json
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandParser

from apps.accounts.services import ensure_account, ensure_administrator
from apps.billing.selectors import payments
from apps.billing.services import offer_first_plans, set_up_stripe
from apps.catalog.selectors import models_for_account
from apps.catalog.services import load_models
from apps.common.commands import ArtemisCommand
from apps.common.errors import ArtemisError
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
        email = str(known.get("admin_email", ADMIN_EMAIL))
        user_id, password = ensure_administrator(email=email, first_password=known.get("admin_password"))
        account = ensure_account(user_id=user_id)
        key = known.get("api_key", "")
        if not key or not is_usable(token=key):
            issued = create_key(account_id=account.id, project_slug="default", name="Quickstart", policy=KeyPolicy())
            key = issued.secret
        offered = models_for_account(account_id=account.id)
        facts = {
            "model": next((model.public_name for model in offered if model.kind == "chat"), ""),
            "embedding_model": next((model.public_name for model in offered if model.kind == "embedding"), ""),
            "base_url": f"{settings.PUBLIC_URL}/v1",
            "portal_url": f"{settings.PUBLIC_URL}/",
            "admin_email": email,
            "admin_password": password,
            "api_key": key,
            "account": account.slug,
        }
        if payments().are_taken:
            try:
                set_up_stripe()
            except ArtemisError as error:  # its address may be one that Stripe cannot reach: it is asked instead
                self.stderr.write(f"Stripe cannot tell of payments here: {error.message}")
        if payments().by_stand_in:
            offer_first_plans()
        file.touch(mode=0o600)
        file.chmod(0o600)
        file.write_text(json.dumps({**known, **facts}, indent=2) + "\n")
        return {"file": str(file)}  # what is printed ends in a log: no key, no password
