"""Makes room: what is kept of one call is bounded, and says what it lacks."""

from apps.prompts.contracts import Part

MOST_OF_PART, MOST_OF_ALL = 16_000, 64_000
"""Characters."""
MOST_PARTS = 200


def fitted(parts: list[Part]) -> list[Part]:
    """The first part, which is the system's as a rule, and the last ones: the middle is what is left out."""
    short = [Part(part.role, part.kind, shortened(part.text, MOST_OF_PART), part.name) for part in parts]
    room = MOST_OF_ALL - sum(len(part.text) for part in short[:1])
    first = len(short)
    while first > 1 and len(short) - first < MOST_PARTS and len(short[first - 1].text) <= room:
        first -= 1
        room -= len(short[first].text)
    if first <= 1:
        return short
    return [short[0], Part("", "gap", f"{first - 1}"), *short[first:]]


def shortened(text: str, most: int) -> str:
    """Its beginning and its end, and how much there is between them."""
    if len(text) <= most:
        return text
    half = most // 2
    return f"{text[:half]}\n[… {len(text) - 2 * half:,} characters left out …]\n{text[-half:]}"
