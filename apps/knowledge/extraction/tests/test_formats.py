"""Each format is read into headings, text, lists, tables and code, in the document's order."""

import pytest

from apps.knowledge.extraction import Document, extract
from apps.knowledge.extraction.tests import corpus


def kinds(document: Document) -> list[tuple[str, str]]:
    return [(block.kind, block.text) for block in document.blocks]


def test_pdf_has_pages_and_the_headings_of_its_outline():
    pages = ("First things\nA sentence on page one.", "A sentence on page two.")
    content = corpus.pdf(*pages, outline={"First things": 1})
    document = extract(content, filename="x.pdf")
    assert (document.media_type, document.pages) == ("application/pdf", 2)
    assert kinds(document) == [
        ("heading", "First things"),
        ("text", "A sentence on page one."),
        ("text", "A sentence on page two."),
    ]
    assert [block.page for block in document.blocks] == [1, 1, 2]


def test_docx_keeps_headings_lists_tables_and_footers():
    document = extract(corpus.word(), filename="x.docx")
    assert document.media_type.endswith("wordprocessingml.document")
    assert kinds(document) == [
        ("heading", "Handbook"),
        ("text", "Welcome to the platform."),
        ("heading", "Engines"),
        ("list", "- Bring GPUs\n1. Start them\n2. Stop them"),
        ("table", corpus.ROWS),
        ("text", "After the table."),
        ("text", "Confidential"),
    ]


def test_pptx_has_a_page_for_each_slide():
    document = extract(corpus.slides(), filename="x.pptx")
    assert (document.media_type.rpartition(".")[2], document.pages) == ("presentation", 2)
    assert [(block.kind, block.text, block.page) for block in document.blocks] == [
        ("heading", "Why Artemis", 1),
        ("list", "- It is fast\n- It is yours", 1),
        ("text", "Smile here.", 1),
        ("heading", "Slide 2", 2),
        ("table", corpus.ROWS, 2),
    ]


@pytest.mark.parametrize("content", [corpus.sheets(), corpus.open_sheets()], ids=["xlsx", "ods"])
def test_each_sheet_is_a_heading_and_a_table(content):
    document = extract(content, filename="x")
    assert document.media_type.rpartition(".")[2] in ("sheet", "spreadsheet")
    assert kinds(document)[:2] == [("heading", "Engines"), ("table", corpus.ROWS)]


HTML = """<!DOCTYPE html><html><head><title>Guide</title><style>p {color: red}</style><script>alert(1)</script></head>
<body><nav>Home | Away</nav><h1>Engines</h1><p>One <b>bold</b>
 word<br>and a line.</p><ul><li>first<li>second<ol><li>deep</ol></ul>
<table><tr><th>Engine<th>GPUs<tr><td>vLLM<td>8<tr><td>llama.cpp<td>0</table><pre>x = 1
  y = 2</pre><p hidden>secret</p><div style="display: none">secret</div>Loose &amp; free
<img alt="A chart"></body></html>"""


def test_html_is_what_a_reader_sees_of_it():
    document = extract(HTML.encode(), filename="x.txt")
    assert document.media_type == "text/html"
    assert kinds(document) == [
        ("text", "Guide"),
        ("heading", "Engines"),
        ("text", "One bold word\nand a line."),
        ("list", "- first\n- second\n  1. deep"),
        ("table", corpus.ROWS),
        ("code", "x = 1\n  y = 2"),
        ("text", "Loose & free A chart"),
    ]


def test_tables_that_arrange_a_page_are_no_tables():
    page = "<html><table><tr><td><h2>Left</h2><td><table><tr><td>a<td>b<tr><td>1<td>2</table></table>"
    expected = [("heading", "Left"), ("table", "| a | b |\n| --- | --- |\n| 1 | 2 |")]
    assert kinds(extract(page.encode(), filename="x.html")) == expected


MARKDOWN = """---
title: Guide
---
# Engines #

Some *text*
over lines.

Setext
------
- one
  more
- two

  inside

After.

|Engine|GPUs|
|:--|--:|
|vLLM|8|
|llama.cpp|0|

```python
# no heading

x = 1
```
"""


def test_markdown_is_read_by_its_blocks():
    document = extract(MARKDOWN.encode(), filename="x.md")
    assert document.media_type == "text/markdown"
    assert kinds(document) == [
        ("code", "title: Guide"),
        ("heading", "Engines"),
        ("text", "Some *text*\nover lines."),
        ("heading", "Setext"),
        ("list", "- one\n  more\n- two\n  inside"),
        ("text", "After."),
        ("table", corpus.ROWS),
        ("code", "# no heading\n\nx = 1"),
    ]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_csv_is_a_table_whatever_separates_its_cells(delimiter):
    text = "\n".join(delimiter.join(row) for row in corpus.TABLE)
    document = extract(text.encode(), filename="x.csv")
    assert (document.media_type, kinds(document)) == ("text/csv", [("table", corpus.ROWS)])


def test_csv_keeps_quoted_cells_whole():
    document = extract(b'a,b\n"one, two","three\nlines | bars"\n', filename="x.csv")
    assert document.blocks[0].text == "| a | b |\n| --- | --- |\n| one, two | three lines \\| bars |"


def test_json_is_known_by_content_and_keeps_repeated_names_and_long_numbers():
    document = extract(b'{"a": 1e400, "a": [12345678901234567890123, "\\u00dcber"]}', filename="x.txt")
    text = '{\n  "a": 1e400,\n  "a": [\n    12345678901234567890123,\n    "Über"\n  ]\n}'
    assert (document.media_type, kinds(document)) == ("application/json", [("code", text)])


def test_source_code_is_known_by_its_name():
    document = extract(b"def f():\n    return 1\n", filename="tools/f.PY")
    assert (document.media_type, kinds(document)) == ("text/x-python", [("code", "def f():\n    return 1")])


def test_plain_text_is_read_by_paragraphs():
    document = extract(b"One line\nand another.\r\n\r\n  Next.\n", filename="notes")
    assert (document.media_type, kinds(document)) == (
        "text/plain",
        [("text", "One line\nand another."), ("text", "Next.")],
    )
