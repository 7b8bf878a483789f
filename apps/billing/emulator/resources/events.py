"""Events, each with the object as it was then."""

from fnmatch import fnmatchcase

from apps.billing.emulator.endpoints import retrieval
from apps.billing.emulator.listing import listing
from apps.billing.emulator.parameters import Many, Text

ENDPOINTS = (
    listing(
        "/v1/events",
        "event",
        {"type": Text(), "types": Many(Text(), most=20)},
        {
            "type": lambda event, pattern: fnmatchcase(event["type"], pattern),
            "types": lambda event, patterns: any(fnmatchcase(event["type"], pattern) for pattern in patterns),
        },
    ),
    retrieval("/v1/events/{event}", "event"),
)
