"""manage.py create_key: a key for an account, shown once."""

from typing import Any

from django.core.management.base import CommandParser

from apps.accounts.selectors import account_id_of_slug
from apps.common.commands import ArtemisCommand
from apps.common.errors import Invalid
from apps.common.money import usd_to_nano
from apps.common.parsing import parse_time
from apps.keys.contracts import KeyPolicy
from apps.keys.services import create_key


class Command(ArtemisCommand):
    help = "Makes an API key. It is printed once and cannot be shown again."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--account", required=True, help="slug of the account")
        parser.add_argument("--name", required=True)
        parser.add_argument("--project", default="default", help="slug of the project (default: default)")
        parser.add_argument("--models", default="", help="a,b: the only models that it may use")
        parser.add_argument("--endpoints", default="", help="a,b: the only endpoints; organization: usage and costs")
        parser.add_argument("--budget-usd", help="US dollars a calendar month")
        parser.add_argument("--total-budget-usd", help="US dollars in all")
        parser.add_argument("--soft-budget", action="store_true", help="only warn at its budgets, refuse nothing")
        parser.add_argument("--rpm", type=int, help="requests a minute")
        parser.add_argument("--tpm", type=int, help="tokens a minute")
        parser.add_argument("--tpd", type=int, help="tokens a day")
        parser.add_argument("--parallel", type=int, help="requests at once")
        parser.add_argument("--expires", help="ISO 8601, such as 2027-01-31 or 2027-01-31T12:00:00Z")

    def answer(self, **options: Any) -> dict[str, Any]:
        policy = KeyPolicy(
            allowed_models=tuple(name for name in options["models"].split(",") if name),
            allowed_endpoints=tuple(name for name in options["endpoints"].split(",") if name),
            rpm_limit=options["rpm"],
            tpm_limit=options["tpm"],
            tpd_limit=options["tpd"],
            parallel_limit=options["parallel"],
            monthly_budget=_budget(options["budget_usd"], "budget_usd"),
            total_budget=_budget(options["total_budget_usd"], "total_budget_usd"),
            budget_is_hard=not options["soft_budget"],
            expires_at=parse_time(options["expires"], "expires") if options["expires"] else None,
        )
        account_id = account_id_of_slug(slug=options["account"])
        issued = create_key(account_id=account_id, project_slug=options["project"], name=options["name"], policy=policy)
        return {"id": issued.public_id, "key": issued.secret, "name": issued.name}


def _budget(usd: str | None, option: str) -> int | None:
    if usd is None:
        return None
    try:
        return usd_to_nano(usd)
    except ValueError as error:
        raise Invalid(option, f"{error}.") from error
