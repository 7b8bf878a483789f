"""Passages that say nothing new are left out, and the room that they took is given to others."""

import pytest

from apps.accounts.tests.cast import Cast
from apps.keys.contracts import KeyFacts
from apps.knowledge.contracts import Hit, Wanted
from apps.knowledge.search import Distinct, search_store
from apps.knowledge.tests.world import a_store, make_key, put, read_all, vector_of

NIGHT = "The wolf hunts by night in the old forest while the moon stands over the hills and the river sleeps below."
WORDS = [f"word{chr(97 + n // 26)}{chr(97 + n % 26)}" for n in range(200)]


def a_hit(text: str, *headings: str) -> Hit:
    return Hit(
        document_id=1, passage_id=1, file_id="f", filename="f", attributes={}, position=0, text=text,
        headings=headings, page=None, tokens=1, score=1.0, bm25=None, cosine=None, fused=1.0,
    )  # fmt: skip


def admitted(*texts: str) -> list[bool]:
    distinct = Distinct()
    return [distinct.admits(a_hit(text)) for text in texts]


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ((NIGHT, NIGHT), [True, False]),
        ((NIGHT, NIGHT.upper().replace(".", " !")), [True, False]),
        ((NIGHT, " ".join(NIGHT.split()[3:18])), [True, False]),  # it stands in the better one, whole
        ((" ".join(NIGHT.split()[3:18]), f"{NIGHT} At dawn it goes home to its den."), [True, True]),  # says more
        ((" ".join(WORDS[:100]), " ".join(WORDS[50:150])), [True, True]),  # neighbours that overlap by half
        ((" ".join(WORDS[:100]), " ".join(WORDS[5:105])), [True, False]),
        ((f"{NIGHT} There are 12 of them.", f"{NIGHT} There are 13 of them."), [True, True]),
        (("Yes.", "No.", "Yes!"), [True, True, False]),
        (("", "", "---"), [True, True, True]),
        (("狼在夜里打猎。月亮升起来了。", "狼在夜里打猎、月亮升起来了", "狐狸在河边睡觉。"), [True, False, True]),
    ],
)
def test_what_says_nothing_new(texts: tuple[str, ...], expected: list[bool]) -> None:
    assert admitted(*texts) == expected


def test_the_same_words_under_another_heading_are_something_else() -> None:
    distinct = Distinct()
    assert [
        distinct.admits(a_hit("Twelve pieces a box.", "Prices", name)) for name in ("Nails", "Screws", "Nails")
    ] == [
        True,
        True,
        False,
    ]


@pytest.fixture
def key(cast: Cast) -> KeyFacts:
    return make_key(cast.northwind.id)


@pytest.mark.django_db(transaction=True)
def test_the_room_is_filled_by_what_comes_after(key: KeyFacts) -> None:
    store = a_store(key)
    for number in range(45):
        put(key, store, NIGHT + "!" * number, f"copy{number}.txt")
    for animal in ("fox", "stag", "owl", "bear"):
        put(key, store, f"A {animal} walks through the forest at noon, and nobody in the valley is afraid of it.")
    read_all()
    query, distinct = "the wolf hunts in the forest", Distinct()

    def found(distinct: Distinct | None) -> list[str]:
        hits = search_store(
            account_id=key.account_id,
            store_id=store.id,
            queries=[query],
            vectors=[vector_of(query)],
            wanted=Wanted(most=4),
            distinct=distinct,
        )
        return [hit.text for hit in hits]

    texts = found(distinct)
    assert texts[0].startswith("The wolf") and [text[:2] for text in texts[1:]] == ["A "] * 3
    assert distinct.dropped == 44
    assert all(text.startswith("The wolf") for text in found(None))
