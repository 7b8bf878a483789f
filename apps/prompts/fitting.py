"""Makes room: what is kept of one call is bounded, and says where it lacks something."""

from msgspec.structs import replace

from apps.prompts.contracts import Part

MOST_OF_PART, MOST_OF_ALL = 16_000, 64_000
"""Characters."""
MOST_PARTS = 200
LEFT_OUT = "\n[… the middle is left out …]\n"
GAP = Part("", "gap", "")


def fitted(parts: list[Part], *, times: int = 1) -> list[Part]:
    """The first part, which is the system's as a rule, and the last ones: the middle is what is left out.

    `times`: as much room, for who changes the texts before they are fitted.
    """
    short = [replace(part, text=shortened(part.text, MOST_OF_PART * times)) for part in parts]
    room = MOST_OF_ALL * times - sum(len(part.text) for part in short[:1])
    first = len(short)
    while first > 1 and len(short) - first < MOST_PARTS and len(short[first - 1].text) <= room:
        first -= 1
        room -= len(short[first].text)
    return short if first <= 1 else [short[0], GAP, *short[first:]]


def shortened(text: str, most: int) -> str:
    """Its beginning and its end."""
    half = most // 2
    return text if len(text) <= most else f"{text[:half]}{LEFT_OUT}{text[-half:]}"
