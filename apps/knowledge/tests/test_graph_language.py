"""What is found in a passage without a language model."""

import pytest

from apps.knowledge.graph.language import capitals
from apps.knowledge.graph.language.english import found_in
from apps.knowledge.graph.language.findings import (
    MOST_NAMES,
    TOGETHER,
    Findings,
    Name,
    Statement,
    bounded,
    key_of,
    tidy,
)


def said(text: str) -> set[tuple[str, str, str]]:
    (found,) = found_in([text])
    return {(one.subject.text, one.type, one.object.text) for one in found.statements}


def names(found: Findings) -> set[tuple[str, str]]:
    return {(name.text, name.type) for name in found.names}


def test_names_have_types() -> None:
    (found,) = found_in(["Marie Curie worked at the University of Paris. Curie was born in Warsaw."])
    assert {("Marie Curie", "person"), ("Curie", "person"), ("Warsaw", "place")} <= names(found)
    assert ("University of Paris", "organization") in names(found)


@pytest.mark.parametrize(
    ("text", "statement"),
    [
        ("Apple acquired Beats Electronics in 2014.", ("Apple", "acquire", "Beats Electronics")),
        ("Beats Electronics was acquired by Apple in 2014.", ("Apple", "acquire", "Beats Electronics")),
        ("Marie Curie was born in Warsaw.", ("Marie Curie", "born in", "Warsaw")),
        ("Vienna is the capital of Austria.", ("Vienna", "capital of", "Austria")),
        ("Tim Cook, the chief executive of Apple, sat down.", ("Tim Cook", "chief executive of", "Apple")),
        ("Marie Curie and Pierre Curie discovered radium.", ("Pierre Curie", "discover", "radium")),
    ],
)
def test_relations_by_rule(text: str, statement: tuple[str, str, str]) -> None:
    assert statement in said(text)


def test_what_is_denied_is_no_relation_but_stands_together() -> None:
    assert said("Apple did not buy Tesla.") == {("Apple", TOGETHER, "Tesla")}
    (found,) = found_in(["Apple did not buy Tesla."])
    assert found.statements[0].confidence < 0.2


def test_a_short_form_in_brackets_is_an_alias() -> None:
    (found,) = found_in(["The World Health Organization (WHO) was founded by the United Nations."])
    assert [(alias.text, name.text) for alias, name in found.aliases] == [("WHO", "World Health Organization")]


def test_each_text_has_its_findings_whatever_it_is() -> None:
    texts = ["", "   ", "\n|---|---|\n", "1234 5678", "a" * 30_000, "\U0001f680 \u202e \u0000", "Berlin " * 500]
    found = found_in(texts)
    assert len(found) == len(texts)
    assert all(len(one.names) <= MOST_NAMES for one in found)


def test_other_languages_have_names_by_their_capitals() -> None:
    (german,) = capitals.found_in(["Gestern traf Angela Merkel den Minister in Bonn. Der Hund schlief."], "de")
    assert names(german) == {("Angela Merkel", "other")}
    spanish, russian, chinese = capitals.found_in(
        ["Ayer María García visitó Madrid.", "Вчера Иван Петров приехал в Москву.", "玛丽·居里出生于华沙。"], "es"
    )
    assert names(spanish) == {("María García", "other"), ("Madrid", "other")}
    assert [(one.type, one.confidence) for one in spanish.statements] == [(TOGETHER, 0.1)]
    assert names(russian) == {("Иван Петров", "other"), ("Москву", "other")}
    assert chinese == Findings()


def test_writing_alone_makes_no_other_name() -> None:
    def key(text: str, kind: str = "organization") -> str:
        return key_of(Name(text, kind))

    assert key("Apple Inc.") == key("APPLE") == key("Apple, Inc") == "apple"
    assert key("U.S.A.", "place") == key("USA", "place")
    assert key("Dr. José Pérez", "person") == key("Jose Perez", "person") == "jose perez"
    assert key("Й", "other") != key("И", "other"), "not an accent there"
    assert key("Inc") == "inc"
    assert (tidy("the  Big\nApple's"), tidy("..."), tidy("x" * 300)) == ("Big Apple", "", "")


def test_a_passage_has_so_much_and_nothing_of_what_it_does_not_name() -> None:
    many = [Name(f"Name {n}", "other") for n in range(500)]
    one, other, stranger = many[0], many[1], Name("Stranger", "other")
    found = bounded(
        many,
        [
            Statement(one, "knows", other, 0.4),
            Statement(one, "knows", other, 0.6),
            Statement(one, "knows", stranger, 0.9),
            Statement(one, "is", Name("NAME 0", "other"), 0.9),
        ],
    )
    assert len(found.names) == MOST_NAMES
    assert found.statements == (Statement(one, "knows", other, 0.6),)
