"""Passages keep every word, in order, within their budget, and are the same each time."""

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from apps.knowledge.extraction import Block, Document, Passage, split

WORDS = st.integers(0, 400).flatmap(
    lambda many: st.lists(
        st.sampled_from(["alpha", "be", "Gamma.", "delta,", "ein", "Wörterbuch", "42", "x"]), max_size=many
    )
)


def words(text: str) -> int:
    return len(text.split())


def fifths(text: str) -> int:
    """As tokenizers do, more for letters that are rare."""
    return len(text.encode()) // 3 + 2


COUNTS = [words, fifths, len]


@st.composite
def documents(draw: st.DrawFn) -> tuple[Document, list[str]]:
    """With a number on each word, so that each is found again."""
    numbers = itertools.count()
    expected: list[str] = []
    blocks = []

    def numbered(listed: list[str]) -> list[str]:
        made = [f"{word}{next(numbers)}" for word in listed]
        expected.extend(made)
        return made

    for _ in range(draw(st.integers(1, 12))):
        kind = draw(st.sampled_from(["heading", "text", "table", "code", "list"]))
        page = draw(st.sampled_from([None, 1, 2]))
        if kind == "heading":
            text = " ".join(numbered(draw(st.lists(st.sampled_from(["Title", "Sub"]), min_size=1, max_size=4))))
            blocks.append(Block("heading", text, level=draw(st.integers(1, 4)), page=page))
        elif kind == "table":
            rows = (
                [f"| {row[0]} | {row[1]} |" for row in itertools.batched(numbered(draw(WORDS)), 2) if len(row) == 2]
                if False
                else []
            )
            cells = numbered(draw(WORDS)) or numbered(["only"])
            rows = [f"| {cell} |" for cell in cells]
            blocks.append(Block("table", "\n".join([rows[0], "| --- |", *rows[1:]]), page=page))
        else:
            made = numbered(draw(WORDS)) or numbered(["only"])
            joints = draw(st.lists(st.sampled_from([" ", " ", "\n", "\n\n"]), min_size=len(made), max_size=len(made)))
            text = "".join(word + joint for word, joint in zip(made, joints, strict=True)).strip()
            blocks.append(Block(kind, text, page=page))
    return Document("text/plain", tuple(blocks), None, ""), expected


def found(passages: list[Passage], expected: list[str]) -> list[str]:
    """Each word where it first stands."""
    wanted = set(expected)
    return list(dict.fromkeys(word for passage in passages for word in passage.text.split() if word in wanted))


@settings(max_examples=150, deadline=None)
@given(documents(), st.integers(32, 200), st.integers(0, 50), st.sampled_from(COUNTS))
def test_every_word_is_in_some_passage_in_order_and_no_passage_is_over_its_budget(made, most, percent, count):
    document, expected = made
    passages = split(document, max_tokens=most, overlap=most * percent // 100, count=count)
    assert found(passages, expected) == expected
    assert all(passage.tokens == count(passage.text) <= most for passage in passages)
    assert passages == split(document, max_tokens=most, overlap=most * percent // 100, count=count)
