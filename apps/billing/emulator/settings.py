"""The emulator's settings, made from arguments and handed to the server as JSON."""

import dataclasses
import json
import os
from dataclasses import dataclass, field

VARIABLE = "ARTEMIS_STRIPE_EMULATOR"
DAY = 86_400


@dataclass(frozen=True)
class Settings:
    base_url: str = "http://127.0.0.1:12111"
    """Under which the pages are reached; without a slash at the end."""
    api_keys: tuple[str, ...] = ()
    """Secret keys that are accepted; none given: any of the shape of a test key."""
    state_file: str | None = None
    """Where the state outlives a restart; None: nowhere."""
    display_name: str = "Artemis (stand-in)"
    retry_seconds: float = 1.0
    """Before a webhook's second attempt; doubled for each one after."""
    delivery_attempts: int = 12
    parallel_deliveries: int = 1
    """More than one lets an endpoint's webhooks race, as Stripe's do."""
    upcoming_days: int = 7
    """How long before a renewal `invoice.upcoming` is sent."""
    draft_seconds: int = 3600
    """How long a renewal's invoice stays a draft."""
    dunning_days: tuple[int, ...] = (3, 5, 7)
    """Between one failed attempt at an invoice and the next."""
    after_dunning: str = "cancel"
    """What becomes of the subscription: cancel, unpaid or past_due."""
    created: int = field(default=1_767_225_600)
    """The account's."""

    def to_environment(self) -> None:
        os.environ[VARIABLE] = json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_environment(cls) -> "Settings":
        fields = json.loads(os.environ.get(VARIABLE, "{}"))
        listed = {name: tuple(fields[name]) for name in ("api_keys", "dunning_days") if name in fields}
        return cls(**{**fields, **listed})
