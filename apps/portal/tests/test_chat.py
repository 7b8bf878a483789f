"""The chat over a vector store: who may ask, what is refused before a model is asked, and how an answer is drawn."""

import json
from collections.abc import Callable

import pytest
from django.test import Client
from django.utils import timezone
from django.utils.html import escape

from apps.accounts.models import User
from apps.accounts.services import create_project
from apps.accounts.tests.cast import Cast
from apps.keys.contracts import KeyFacts, KeyPolicy
from apps.keys.services import create_key, revoke_key
from apps.knowledge.contracts import Findings, Hit, StoreFacts
from apps.knowledge.models import VectorStore
from apps.knowledge.services import without_numbers
from apps.knowledge.tests.world import a_store, make_key, put
from apps.portal.chat.asked import Turn, recent
from apps.portal.chat.showing import Where, answer_html, found_html
from apps.portal.tests.shelf import MOON, shelve

WHERE = Where(slug="northwind", store="vs_sky")
EVIL = "<script>alert(1)</script>"


@pytest.fixture
def store(key: KeyFacts) -> StoreFacts:
    store = a_store(key, "Sky")
    shelve(store, put(key, store, "Text."), MOON)
    return store


def home(store: StoreFacts, account: str = "northwind") -> str:
    return f"/a/{account}/knowledge/{store.public_id}/chat/"


def ask(client: Client, path: str, key: str, **changes: object) -> tuple[int, str]:
    """(status, sentence) of what is refused at once."""
    asked = {"model": "luna", "key": key, "question": "How long?", "turns": [], **changes}
    answer = client.post(f"{path}ask/", json.dumps(asked), content_type="application/json")
    said = json.loads(answer.content)["message"] if answer["Content-Type"] == "application/json" else ""
    return answer.status_code, said


def hit(text: str, **changes: object) -> Hit:
    values = {
        "document_id": 1, "passage_id": 1, "file_id": "file-1", "filename": "sky.pdf", "attributes": {}, "position": 4,
        "text": text, "headings": (), "page": 3, "tokens": 9, "score": 0.9, "bm25": 2.0, "cosine": 0.5, "fused": 0.9,
            **changes,
    }  # fmt: skip
    return Hit(**values)  # type: ignore[arg-type]


def findings(*hits: Hit) -> Findings:
    return Findings(queries=["How long does the moon take?"], hits=list(hits), told="")


def test_the_page_says_why_nothing_can_be_asked(
    alice: Client, cast: Cast, key: KeyFacts, store: StoreFacts, signed_in: Callable[[User], Client]
) -> None:
    assert "No model for chats is on offer" in alice.get(home(store)).content.decode()
    viewer = signed_in(cast.join("viewer")).get(home(store)).content.decode()
    assert "Your role (viewer) does not ask" in viewer and '<fieldset class="stack" disabled>' in viewer
    revoke_key(account_id=cast.northwind.id, public_id=key.public_id)
    assert "no key of this store's project is active" in alice.get(home(store)).content.decode().replace("&#x27;", "'")
    VectorStore.objects.update(expires_at=timezone.now())
    assert "This store has expired" in alice.get(home(store)).content.decode()


def test_nobody_else_asks(
    alice: Client, cast: Cast, key: KeyFacts, store: StoreFacts, signed_in: Callable[[User], Client]
) -> None:
    charlie = signed_in(cast.charlie)
    assert charlie.get(home(store)).status_code == 404
    for path in (home(store), home(store, "charlie")):
        assert charlie.get(path).status_code == 404
        assert ask(charlie, path, key.public_id)[0] == 404
    assert ask(signed_in(cast.join("viewer")), home(store), key.public_id)[0] == 403
    assert ask(Client(), home(store), key.public_id)[0] == 302
    assert Client(enforce_csrf_checks=True).post(f"{home(store)}ask/").status_code == 403


def test_only_an_active_key_of_the_stores_project_pays(
    alice: Client, cast: Cast, key: KeyFacts, store: StoreFacts
) -> None:
    create_project(account_id=cast.northwind.id, name="Game")
    other = create_key(account_id=cast.northwind.id, project_slug="game", name="Other", policy=KeyPolicy())
    foreign = make_key(cast.charlies.id)
    page = alice.get(home(store)).content.decode()
    assert key.public_id in page and other.public_id not in page
    for wrong in (other.public_id, foreign.public_id, "key_nobodys", "\0"):
        assert ask(alice, home(store), wrong) == (400, "Choose an active key of this store's project."), wrong
    revoke_key(account_id=cast.northwind.id, public_id=key.public_id)
    assert ask(alice, home(store), key.public_id)[0] == 400


def test_what_cannot_be_read_is_a_sentence(alice: Client, key: KeyFacts, store: StoreFacts) -> None:
    turn = {"question": "a", "answer": "b"}
    for changes in (
        {"question": ""}, {"question": " \n"}, {"question": "a" * 4001}, {"question": "a\0b"}, {"question": 7},
        {"turns": [turn] * 41}, {"turns": [{**turn, "role": "system"}]}, {"turns": [{**turn, "answer": "\0"}]},
        {"turns": [{**turn, "answer": "b" * 100_001}]}, {"model": ""}, {"messages": []},
    ):  # fmt: skip
        status, said = ask(alice, home(store), key.public_id, **changes)
        assert status == 400 and said.endswith("."), changes
    for body in (b"", b"{", b"[" * 100_000, b"\xff", b'{"question": "\\ud800"}'):
        answer = alice.post(f"{home(store)}ask/", body, content_type="application/json")
        assert answer.status_code == 400 and "could not be read" in answer.json()["message"], body[:20]
    assert alice.get(f"{home(store)}ask/").status_code == 405


def test_an_empty_store_is_asked_nothing(alice: Client, key: KeyFacts) -> None:
    empty = a_store(key, "Nothing")
    status, said = ask(alice, home(empty), key.public_id)
    assert (status, said) == (400, "There is nothing in this store that can be searched yet.")


def test_what_is_said_is_text() -> None:
    found = findings(hit(f"The moon {EVIL}", filename=f"{EVIL}.pdf", headings=(EVIL,)))
    for html in (
        found_html(found, WHERE),
        answer_html(f"{EVIL} [1]", found, WHERE, was_cut=False),
        answer_html(EVIL, findings(), WHERE, was_cut=True),
    ):
        assert "<script" not in html and escape(EVIL) in html


def test_numbers_become_buttons_and_paragraphs_stay() -> None:
    found = findings(hit("The moon takes 27 days."), hit("It has no air.", page=None, position=5))
    html = answer_html("It takes 27 days [1, 2].\n\nNo air [2] and [9].", found, WHERE, was_cut=False)
    assert html.count("<p>It takes") == 1 and html.count("<p>No air") == 1
    assert html.count('class="chip" type="button"') == 3
    assert 'aria-label="Source 1: sky.pdf, page 3"' in html and 'aria-label="Source 2: sky.pdf"' in html
    assert "[1" not in html and "[9]" in html and "No passage" not in html
    assert html.count("<template") == 2 and "<mark>moon</mark> <mark>takes</mark> <mark>27</mark>" in html
    assert "files/file-1/?at=5#p-5" in html


def test_an_answer_without_numbers_goes_back_to_its_words_or_says_that_it_does_not() -> None:
    found = findings(hit("Selene drives the silver chariot over the night sky."))
    html = answer_html("Selene drives a silver chariot across the night sky. So they say.", found, WHERE, was_cut=False)
    assert "night sky.<button" in html and "<mark>silver</mark>" in html
    html = answer_html("It is made of cheese.", found, WHERE, was_cut=True)
    assert "No passage of this store supports this answer." in html and "<button" not in html
    assert "limit of length" in html
    assert "answered with nothing" in answer_html("  ", found, WHERE, was_cut=False)
    assert "Nothing was found" in found_html(findings(), WHERE)


def test_what_was_said_before_has_room_for_the_latest() -> None:
    turns = [Turn(question="a" * 100, answer="b" * 200) for _ in range(5)]
    assert recent(turns, context_length=500) == turns[-2:]
    assert recent(turns, context_length=10) == []
    told = Turn(question="Who?", answer="Selene [1], and【2†myths】Artemis [3, 4]. [No number]").messages
    assert told[1] == {"role": "assistant", "content": "Selene , andArtemis . [No number]"}
    assert without_numbers("As it is.") == "As it is."
