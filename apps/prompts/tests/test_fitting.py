"""What is kept of a call is bounded, and says what it lacks."""

from hypothesis import given
from hypothesis import strategies as st

from apps.prompts.contracts import Part
from apps.prompts.fitting import MOST_OF_ALL, MOST_OF_PART, MOST_PARTS, fitted


def said(*lengths: int) -> list[Part]:
    return [Part("user", "text", str(place % 10) * length) for place, length in enumerate(lengths)]


def test_what_is_short_stays() -> None:
    parts = said(10, 0, 20)
    assert fitted(parts) == parts and fitted([]) == []


def test_a_long_text_keeps_both_ends() -> None:
    (part,) = fitted([Part("user", "text", "a" * 10_000 + "b" * 10_000)])
    assert part.text == "a" * 8000 + "\n[… 4,000 characters left out …]\n" + "b" * 8000


def test_of_many_the_first_and_the_last_stay() -> None:
    parts = said(*[15_000] * 10)
    assert fitted(parts) == [parts[0], Part("", "gap", "6"), *parts[-3:]]
    many = said(*[1] * 1000)
    assert fitted(many) == [many[0], Part("", "gap", str(999 - MOST_PARTS)), *many[-MOST_PARTS:]]


@given(st.lists(st.integers(0, 3 * MOST_OF_PART), max_size=30))
def test_it_is_never_more_and_nothing_vanishes_in_silence(lengths: list[int]) -> None:
    kept = fitted(said(*lengths))
    assert sum(len(part.text) for part in kept) <= MOST_OF_ALL + 100
    gaps = [int(part.text) for part in kept if part.kind == "gap"]
    assert len(kept) - len(gaps) + sum(gaps) == len(lengths)
