"""Passages keep to the document's structure, and repeat of it what they should."""

import itertools

import pytest

from apps.knowledge.extraction import Block, Document, Passage, split


def words(text: str) -> int:
    return len(text.split())


def of(*blocks: Block) -> Document:
    return Document("text/plain", blocks, None, "")


def heading(text: str, level: int, page: int | None = None) -> Block:
    return Block("heading", text, level=level, page=page)


def text(many: int, word: str = "word", page: int | None = None) -> Block:
    """Sentences of ten words, each word with its number."""
    numbered = [f"{word}{number}" for number in range(many)]
    sentences = [" ".join(numbered[place : place + 10]).capitalize() + "." for place in range(0, many, 10)]
    return Block("text", " ".join(sentences), page=page)


def begins(passages: list[Passage]) -> list[str]:
    return [passage.text.partition("\n")[0] for passage in passages]


def test_small_sections_of_one_parent_are_merged():
    document = of(heading("Top", 1), heading("A", 2), text(20), heading("B", 2), text(20), heading("C", 2), text(20))
    passages = split(document, max_tokens=60, overlap=0, count=words)
    assert begins(passages) == ["# Top", "## C"]
    assert [passage.headings for passage in passages] == [(), ("Top",)]


def test_sections_of_different_parents_are_not_merged_where_their_parents_do_not_fit():
    document = of(
        *(heading("One", 1), heading("A", 2), text(50), heading("B", 2), text(8)),
        *(heading("Two", 1), heading("C", 2), text(8), heading("D", 2), text(50)),
    )
    passages = split(document, max_tokens=60, overlap=0, count=words)
    assert begins(passages) == ["# One", "## B", "# Two", "## D"]
    assert [passage.headings for passage in passages] == [(), ("One",), (), ("Two",)]


def test_a_heading_stays_with_what_is_below_it():
    document = of(heading("Top", 1), heading("A", 2), text(100), heading("B", 2), text(100))
    passages = split(document, max_tokens=40, overlap=0, count=words)
    assert begins(passages)[0] == "# Top"
    assert "## A\n\nWord0" in passages[0].text
    assert all(passage.text.split()[-1].rstrip(".").lower().startswith("word") for passage in passages)
    assert {passage.headings for passage in passages} == {(), ("Top", "A"), ("Top",), ("Top", "B")}


def test_slides_and_sheets_are_not_merged_with_others():
    document = of(*(block for page in (1, 2, 3) for block in (heading(f"Slide {page}", 1, page), text(5, page=page))))
    assert [passage.page for passage in split(document, count=words)] == [1, 2, 3]


def test_a_table_is_cut_between_its_rows_and_its_header_is_repeated():
    rows = "\n".join(f"| engine{number} | {number} |" for number in range(40))
    document = of(Block("table", f"| Engine | GPUs |\n| --- | --- |\n{rows}"), text(5))
    passages = split(document, max_tokens=60, overlap=0, count=words)
    assert len(passages) > 3
    for passage in passages:
        lines = passage.text.split("\n\n")[0].split("\n")
        assert lines[:2] == ["| Engine | GPUs |", "| --- | --- |"]
        assert all(line.startswith("| engine") and line.endswith(" |") for line in lines[2:])


def test_code_is_cut_at_empty_lines_where_there_are_some():
    functions = "\n\n".join(f"def f{number}():\n    a = {number}\n    return a" for number in range(30))
    passages = split(of(Block("code", functions)), max_tokens=40, overlap=0, count=words)
    assert len(passages) > 3
    assert all(passage.text.startswith("def ") and passage.text.endswith("return a") for passage in passages)


def test_prose_is_cut_between_sentences():
    passages = split(of(text(1000)), max_tokens=100, overlap=0, count=words)
    assert all(passage.text.rstrip().endswith(".") for passage in passages)


@pytest.mark.parametrize("overlap", [0, 20, 50])
def test_a_passage_begins_with_the_end_of_the_one_before(overlap):
    passages = split(of(text(1000)), max_tokens=100, overlap=overlap, count=words)
    numbers = [[int(word.strip("Wword.")) for word in passage.text.split()] for passage in passages]
    for before, after in itertools.pairwise(numbers):
        repeated = before[-1] + 1 - after[0]
        assert (overlap > 0) == (repeated > 0)
        assert repeated <= overlap
        assert after[0] > before[0]
        assert after[-1] > before[-1]


def test_nothing_is_repeated_across_sections():
    passages = split(
        of(heading("A", 1), text(90), heading("B", 1), text(90, "other")), max_tokens=100, count=words, overlap=50
    )
    assert [("word" in passage.text, "other" in passage.text) for passage in passages] == [(True, False), (False, True)]


def test_no_passage_goes_over_the_end_of_a_page():
    document = of(*(text(50, page=page) for page in range(1, 9)))
    passages = split(document, max_tokens=120, overlap=0, count=words)
    assert [passage.page for passage in passages] == list(range(1, 9))


def test_a_line_without_an_end_is_cut_anywhere():
    endless = "".join(chr(ord("a") + number % 26) for number in range(20_000))
    passages = split(of(Block("text", endless)), max_tokens=100, overlap=0, count=len)
    assert "".join(passage.text for passage in passages) == endless
    assert all(passage.tokens <= 100 for passage in passages)


def test_signs_of_many_tokens_are_cut_until_they_fit():
    passages = split(of(Block("text", "😀" * 300)), max_tokens=64, overlap=32, count=lambda text: 7 * len(text))
    assert "".join(passage.text for passage in passages) == "😀" * 300
    assert all(passage.tokens <= 64 for passage in passages)


def test_a_header_that_is_too_wide_is_not_repeated():
    header = "| " + " | ".join(f"column{number}" for number in range(200)) + " |"
    row = "| " + " | ".join(str(number) for number in range(200)) + " |"
    passages = split(of(Block("table", f"{header}\n| --- |\n{row}\n{row}")), max_tokens=100, overlap=50, count=words)
    assert sum("column7 " in passage.text for passage in passages) <= 2
    assert all(passage.tokens <= 100 for passage in passages)


def test_tokens_are_counted_seldom():
    counted: list[int] = []

    def count(text: str) -> int:
        counted.append(len(text))
        return len(text) // 4 + 2

    document = of(*(text(120) for _ in range(500)))
    passages = split(document, count=count)
    assert len(counted) < 4 * len(passages)
    assert max(counted) < 8_000


def test_what_cannot_be_kept_is_refused():
    for wrong in (
        {"max_tokens": 8, "overlap": 0},
        {"max_tokens": 100, "overlap": 51},
        {"max_tokens": 100, "overlap": -1},
    ):
        with pytest.raises(ValueError):
            split(of(text(5)), count=words, **wrong)


def test_nothing_gives_nothing():
    assert split(of(), count=words) == []
