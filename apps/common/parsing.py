"""Reads what people type."""

from datetime import UTC, datetime

from apps.common.errors import Invalid


def parse_time(text: str, param: str) -> datetime:
    """ISO 8601, a day or a moment; without an offset it is UTC. Raises Invalid, naming the parameter."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise Invalid(param, f"{text!r} is no time in ISO 8601, such as 2027-01-31T12:00:00Z.") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
