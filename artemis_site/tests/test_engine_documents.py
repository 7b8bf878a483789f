"""From documents to an answer that says where it has it from, with the real shipped models: a PDF of 120 pages and a
DOCX, by the official client. Run by `make test-engine`."""

import io
from collections.abc import Iterator
from typing import Any

import docx
import pytest
from openai import OpenAI
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas

from artemis_site.tests.real_engines import LLAMACPP, EnginePlatform, started

pytestmark = pytest.mark.engine

PAGES, PAGE = 120, 77
BOW = "The silver bow of Artemis hangs in the eastern hall at Ephesus. Melanthe the keeper polishes it each spring."
HONEY = "The camp's honey is kept in seven clay jars beneath the old oak. Only the cook Philon may open them."
THINGS = ("bronze helmet", "woven basket", "oil lamp", "ivory comb", "iron key", "marble cup", "leather shield")
PLACES = ("northern store", "upper gallery", "treasury", "harbour shed", "western porch")
KEEPERS = ("Nikias", "Doris", "Lysander", "Phoebe", "Agathon", "Kallisto")


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EnginePlatform]:
    with started(LLAMACPP, tmp_path_factory) as platform:
        yield platform


@pytest.fixture(scope="module")
def client(platform: EnginePlatform) -> Iterator[OpenAI]:
    with platform.client(platform.create_key()["key"], timeout=120) as client:
        yield client


@pytest.fixture(scope="module")
def store(client: OpenAI) -> str:
    made = client.vector_stores.create(name="Temple")
    for name, content in (("register.pdf", register()), ("camp.docx", camp())):
        file = client.files.create(file=(name, content), purpose="assistants")
        read = client.vector_stores.files.create_and_poll(file.id, vector_store_id=made.id, poll_interval_ms=500)
        assert read.status == "completed", read.last_error
    return made.id


def register() -> bytes:
    """A page for each thing that the temple has; one of them is the bow's."""
    written = io.BytesIO()
    canvas = Canvas(written, pagesize=A4)
    for number in range(1, PAGES + 1):
        thing, place, keeper = (names[number % len(names)] for names in (THINGS, PLACES, KEEPERS))
        text = canvas.beginText(72, 760)
        text.setFont("Helvetica", 11)
        text.textLine(f"Register of the temple, entry {number}")
        for line in (
            f"The {thing} number {number} was entered in the year {300 + number} and lies in the {place}.",
            f"Its keeper is {keeper}, who answers for it to the council and counts it twice a year.",
            *([BOW] if number == PAGE else []),
            f"It was last seen whole on day {number % 28 + 1} of the month, and nothing of it was missing.",
        ):
            text.textLine(line)
        canvas.drawText(text)
        canvas.showPage()
    canvas.save()
    return written.getvalue()


def camp() -> bytes:
    document = docx.Document()
    document.add_heading("The camp", level=1)
    document.add_paragraph("Tents stand in two rows along the brook, and the fire burns between them all night.")
    document.add_heading("Provisions", level=2)
    document.add_paragraph(HONEY)
    written = io.BytesIO()
    document.save(written)
    return written.getvalue()


def test_a_search_finds_the_page(client: OpenAI, store: str) -> None:
    facts = client.vector_stores.retrieve(store)
    first, *_ = client.vector_stores.search(store, query="Where does the silver bow hang?", max_num_results=5)

    assert facts.file_counts.completed == 2
    assert first.filename == "register.pdf"
    assert BOW[:40] in first.content[0].text.replace("\n", " ")
    assert first.model_extra and first.model_extra["artemis"]["page"] == PAGE


@pytest.mark.parametrize(
    ("question", "filename", "page", "words"),
    [
        ("Where does the silver bow of Artemis hang?", "register.pdf", PAGE, "Ephesus"),
        ("Who may open the jars of honey?", "camp.docx", None, "Philon"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_cites_the_page(
    platform: EnginePlatform,
    client: OpenAI,
    store: str,
    question: str,
    filename: str,
    page: int | None,
    words: str,
    stream: bool,
) -> None:
    asked: dict[str, Any] = {
        "model": platform.facts["model"],
        "input": question,
        # A model of 135 million parameters reads one passage rightly, several not always.
        "tools": [{"type": "file_search", "vector_store_ids": [store], "max_num_results": 1}],
        "temperature": 0,
        "max_output_tokens": 60,
    }
    if stream:
        *_, last = client.responses.create(**asked, stream=True)
        answer = last.response
    else:
        answer = client.responses.create(**asked)
    search, message = answer.output
    cited = message.content[0].annotations

    assert search.queries == [question]
    assert words in answer.output_text
    assert cited, answer.output_text
    assert {note.filename for note in cited} == {filename}
    assert {note.artemis["page"] for note in cited} == {page}
