"""What a caller may set by header, on any inference endpoint: its end user, and how long it is willing to wait."""

from math import inf

from apps.api.http import Request
from apps.common.errors import Invalid
from inference.client import NO_LIMITS, TimeLimits

USER = b"x-artemis-user"
LONGEST_USER = 120
# Seconds: for the whole answer, to its first token, between two tokens.
LIMITS = (b"x-artemis-timeout", b"x-artemis-first-token-timeout", b"x-artemis-token-timeout")
SHORTEST, LONGEST = 0.1, 3600.0


def end_user(request: Request, named: str | None) -> str:
    """Whom the use is attributed to: the header, else what the request itself names. Raises Invalid."""
    given = request.header(USER)
    if len(given) > LONGEST_USER or not given.isprintable():
        raise Invalid(USER.decode(), f"{USER.decode()} takes at most {LONGEST_USER} printable characters.")
    return given or named or ""


def time_limits(request: Request) -> TimeLimits:
    """The limits that the caller asks for; a deployment's own hold where they are shorter. Raises Invalid."""
    given = [_seconds(name, request.header(name)) for name in LIMITS]
    return NO_LIMITS if given == [inf, inf, inf] else TimeLimits(*given)


def _seconds(name: bytes, value: str) -> float:
    if not value:
        return inf
    try:
        seconds = float(value)
    except ValueError:
        seconds = inf
    if not SHORTEST <= seconds <= LONGEST:
        raise Invalid(name.decode(), f"{name.decode()} takes seconds, from {SHORTEST:g} to {LONGEST:g}.")
    return seconds
