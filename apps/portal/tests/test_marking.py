"""What is found has the question's words marked, and is never anything but text; filters mean what is typed."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.portal.forms.knowledge import SearchForm, filter_of
from apps.portal.marking import EXCERPT, excerpt, marked, marks_of

HOSTILE = '<script>alert("moon")</script> & <img src=x onerror=moon>'


def test_the_words_that_tell_are_marked_in_all_their_forms() -> None:
    marks = marks_of("What does the GPU do with searches on day 27?")
    assert marks == {"searches", "gpu", "27"}
    assert marked("A search on a gpu: 27 Searches, the gpus.", marks) == (
        "A <mark>search</mark> on a <mark>gpu</mark>: <mark>27</mark> <mark>Searches</mark>, the gpus."
    )


def test_entities_are_not_words() -> None:
    assert marked("Tom & amp; quot", marks_of("quot AMP")) == "Tom &amp; <mark>amp</mark>; <mark>quot</mark>"


@given(st.text(), st.text())
def test_nothing_of_a_document_is_markup(text: str, question: str) -> None:
    for said in (text, HOSTILE + text):
        shown = marked(said, marks_of(question) | {"moon", "script"})
        bare = shown.replace("<mark>", "").replace("</mark>", "")
        assert "<" not in bare and ">" not in bare and '"' not in bare


@given(st.text(max_size=3 * EXCERPT), st.text(max_size=40))
def test_an_excerpt_is_of_the_text(text: str, question: str) -> None:
    part = excerpt(text, marks_of(question))
    assert len(part) <= EXCERPT + 4
    assert part.removeprefix("… ").removesuffix(" …") in text


def test_an_excerpt_is_where_the_first_mark_is() -> None:
    text = "Nothing here. " * 200 + "The moon shines. " + "Nothing there. " * 200
    part = excerpt(text, marks_of("moon"))
    assert "The moon shines." in part and part.startswith("… ") and part.endswith(" …")
    assert excerpt(text, marks_of("owl")).startswith("Nothing here.")


@pytest.mark.parametrize(
    ("operator", "text", "expected"),
    [
        ("eq", "myth", {"type": "in", "key": "k", "value": ["myth"]}),
        ("eq", "2010", {"type": "in", "key": "k", "value": ["2010", 2010.0]}),
        ("ne", "True", {"type": "nin", "key": "k", "value": ["True", True]}),
        ("in", "a, 3", {"type": "in", "key": "k", "value": ["a", "3", 3.0]}),
        ("gte", "-1.5", {"type": "gte", "key": "k", "value": -1.5}),
        ("lt", "2020-01-01", {"type": "lt", "key": "k", "value": "2020-01-01"}),
        ("gt", "nan", {"type": "gt", "key": "k", "value": "nan"}),
        ("gt", "9" * 400, {"type": "gt", "key": "k", "value": "9" * 400}),
    ],
)
def test_a_filter_takes_a_number_for_both(operator: str, text: str, expected: dict[str, Any]) -> None:
    assert filter_of("k", operator, text) == expected


def test_a_question_alone_is_enough() -> None:
    form = SearchForm({"q": "moon"})
    assert form.is_valid()
    wanted = form.wanted()
    assert (wanted.filters, wanted.most, wanted.weights.embedding, wanted.weights.text) == (None, 10, 0.5, 0.5)
    for odd in ({"q": " "}, {"q": "x" * 1001}, {"q": "moon\x00"}, {"q": "m", "most": "7"}, {"q": "m", "by": "luck"}):
        assert not SearchForm(odd).is_valid(), odd
