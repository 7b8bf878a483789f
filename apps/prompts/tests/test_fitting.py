"""What is kept of a call is bounded, and says where it lacks something."""

from hypothesis import given
from hypothesis import strategies as st

from apps.prompts.contracts import Part
from apps.prompts.fitting import GAP, LEFT_OUT, MOST_OF_ALL, MOST_OF_PART, MOST_PARTS, fitted


def said(*lengths: int) -> list[Part]:
    return [Part("user", "text", str(place % 10) * length) for place, length in enumerate(lengths)]


def test_what_is_short_stays() -> None:
    parts = said(10, 0, 20)
    assert fitted(parts) == parts and fitted([]) == []


def test_a_long_text_keeps_both_ends() -> None:
    long = [Part("user", "text", "a" * 30_000 + "b" * 30_000)]
    (part,) = fitted(fitted(long, times=2))
    assert part.text == "a" * 8000 + LEFT_OUT + "b" * 8000


def test_of_many_the_first_and_the_last_stay() -> None:
    parts = said(*[15_000] * 10)
    assert fitted(parts) == fitted(fitted(parts, times=2)) == [parts[0], GAP, *parts[-3:]]
    many = said(*[1] * 1000)
    assert fitted(many) == fitted(fitted(many, times=2)) == [many[0], GAP, *many[-MOST_PARTS:]]


@given(st.lists(st.integers(0, 3 * MOST_OF_PART), max_size=30))
def test_it_is_never_more_and_nothing_vanishes_in_silence(lengths: list[int]) -> None:
    parts = said(*lengths)
    kept = fitted(parts)
    assert sum(len(part.text) for part in kept) <= MOST_OF_ALL + len(LEFT_OUT)
    assert (GAP in kept) == (len(kept) - 1 < len(parts) if GAP in kept else len(kept) < len(parts))
    for part in kept:
        assert part == GAP or part in parts or LEFT_OUT in part.text
