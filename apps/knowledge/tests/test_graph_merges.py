"""Entities become one where that is sure, or by hand; an undone merge stays undone, and what rested upon a deleted
document goes with it."""

import json
from collections.abc import Sequence

import pytest

from apps.accounts.tests.cast import Cast
from apps.catalog.models import AIModel
from apps.common.errors import Invalid, NotFound
from apps.keys.contracts import KeyFacts
from apps.knowledge import services as knowledge
from apps.knowledge.contracts import StoreFacts
from apps.knowledge.graph import selectors, services
from apps.knowledge.graph.contracts import MergeFacts, ToExtract
from apps.knowledge.tests.graphs import build, entities, named, relations, work
from apps.knowledge.tests.world import a_store, make_key, put, read_all

pytestmark = pytest.mark.django_db(transaction=True)
LONG = "The World Health Organization (WHO) was founded by the United Nations."
SHORT = "Tedros Adhanom leads the WHO in Geneva."


@pytest.fixture
def key(cast: Cast) -> KeyFacts:
    return make_key(cast.northwind.id)


@pytest.fixture
def store(key: KeyFacts) -> StoreFacts:
    return a_store(key)


def add(key: KeyFacts, store: StoreFacts, *texts: str) -> list[str]:
    files = [put(key, store, text, f"{text[:12]}.txt") for text in texts]
    read_all()
    build(key, store)
    work()
    return files


def merges(key: KeyFacts, store: StoreFacts) -> Sequence[MergeFacts]:
    return selectors.merges_of_store(**named(key, store), since=0, limit=50)


def ids(key: KeyFacts, store: StoreFacts) -> dict[str, str]:
    return {name: one.id for name, one in entities(key, store).items()}


def test_what_is_written_otherwise_is_one_from_the_beginning(key: KeyFacts, store: StoreFacts) -> None:
    add(key, store, "Apple Inc. acquired Beats Electronics.", "APPLE INC. sued Samsung Electronics.", "Apple moved.")
    found = entities(key, store)
    (apple,) = [one for one in found.values() if one.name.lower().startswith("apple")]
    assert apple.mentions >= 2 and merges(key, store) == []


def test_an_alias_lives_as_long_as_a_passage_says_it(key: KeyFacts, store: StoreFacts) -> None:
    long, _ = add(key, store, LONG, SHORT)
    (merge,) = merges(key, store)
    assert merge.reason == "alias"
    whole = next(one for one in entities(key, store).values() if "WHO" in (one.name, *one.aliases))
    assert whole.documents == 2 and "World Health Organization" in (whole.name, *whole.aliases)
    knowledge.remove(**named(key, store), file_id=long)
    assert not any("World" in name for one in entities(key, store).values() for name in (one.name, *one.aliases))
    knowledge.empty_deleted()
    assert merges(key, store) == [] and "WHO" in entities(key, store)


def test_a_surname_is_the_only_ones_who_has_it(key: KeyFacts, store: StoreFacts) -> None:
    text = "Ada Lovelace wrote to Charles Babbage in London. Babbage answered. Charles Babbage met Ada Lovelace."
    add(key, store, text)
    assert [(merge.reason, merge.kept.name, merge.gone.name) for merge in merges(key, store)] == [
        ("short_name", "Charles Babbage", "Babbage")
    ]
    second = "Henry Babbage lived in London. Henry Babbage was born in Devon."
    (other,) = add(key, store, second)
    assert merges(key, store) == [], "two are called so now"
    knowledge.remove(**named(key, store), file_id=other)
    knowledge.empty_deleted()
    assert [merge.gone.name for merge in merges(key, store)] == ["Babbage"]


def test_an_undone_merge_stays_undone(key: KeyFacts, store: StoreFacts) -> None:
    add(key, store, LONG)
    (merge,) = merges(key, store)
    undone = services.undo_merge(**named(key, store), merge_id=merge.id)
    assert undone.undone_at and services.undo_merge(**named(key, store), merge_id=merge.id) == undone
    assert {"WHO", "World Health Organization"} <= ids(key, store).keys()
    add(key, store, "The World Health Organization (WHO) meets in Geneva.")
    assert {"WHO", "World Health Organization"} <= ids(key, store).keys()
    assert [one.undone_at for one in merges(key, store)] == [undone.undone_at]
    names = ids(key, store)
    by_hand = services.merge_entities(
        key=key, store_id=store.public_id, kept=names["World Health Organization"], gone=names["WHO"]
    )
    assert by_hand.reason == "by_hand" and "WHO" not in ids(key, store)


def test_a_chain_of_merges_parts_where_one_is_undone(key: KeyFacts, store: StoreFacts) -> None:
    add(key, store, "Marie Curie met Albert Einstein in Brussels.", "Max Planck worked in Berlin.")
    before, said = ids(key, store), relations(key, store)

    def merge(kept: str, gone: str) -> MergeFacts:
        return services.merge_entities(key=key, store_id=store.public_id, kept=before[kept], gone=before[gone])

    first = merge("Albert Einstein", "Max Planck")
    merge("Marie Curie", "Albert Einstein")
    with pytest.raises(Invalid):
        merge("Max Planck", "Marie Curie")
    one = selectors.entity_of_store(**named(key, store), entity_id=before["Max Planck"])
    assert (one.name, set(one.aliases)) == ("Marie Curie", {"Albert Einstein", "Max Planck"})
    assert ("Marie Curie", "work in", "Berlin") in relations(key, store)
    assert not any(subject == other for subject, _, other in relations(key, store))
    services.undo_merge(**named(key, store), merge_id=first.id)
    assert selectors.entity_of_store(**named(key, store), entity_id=before["Max Planck"]).name == "Max Planck"
    assert selectors.entity_of_store(**named(key, store), entity_id=before["Albert Einstein"]).name == "Marie Curie"
    second = next(one for one in merges(key, store) if one.undone_at is None)
    services.undo_merge(**named(key, store), merge_id=second.id)
    assert ids(key, store) == before and relations(key, store).keys() == said.keys()


def test_a_name_without_a_type_is_the_one_thing_that_has_it(key: KeyFacts, store: StoreFacts) -> None:
    founded = "Beats Electronics was founded by Jimmy Iovine in Santa Monica."
    _, typed = add(key, store, founded, "Apple acquired Beats Electronics in 2014.")
    (merge,) = merges(key, store)
    assert (merge.reason, merge.kept.type, merge.gone.type) == ("same_name", "organization", "other")
    assert (entities(key, store)["Beats Electronics"].type, entities(key, store)["Beats Electronics"].documents) == (
        "organization",
        2,
    )
    knowledge.remove(**named(key, store), file_id=typed)
    knowledge.empty_deleted()
    assert entities(key, store)["Beats Electronics"].type == "other" and merges(key, store) == []


def test_nearly_the_same_name_in_the_same_context(key: KeyFacts, store: StoreFacts) -> None:
    AIModel.objects.create(public_name="sage")
    for name in ("Artemis Platform", "Artemis Platforms", "Artemis 2", "Artemis 3"):
        put(key, store, f"{name} hunts in the forest of Arcadia with a bow of silver and many hounds.", f"{name}.txt")
    read_all()
    build(key, store, "model", "sage")
    said = [
        {"entities": [{"name": name, "type": "product"} for name in ("Artemis Platform", "Artemis Platforms")]},
        {"entities": [{"name": "Artemis 2", "type": "product"}, {"name": "Artemis 3", "type": "product"}]},
    ]

    async def answer(wanted: ToExtract) -> str:
        return json.dumps(said[any(character.isdigit() for character in wanted.text)])

    work(answer)
    (merge,) = merges(key, store)
    assert (merge.reason, {merge.kept.name, merge.gone.name}) == ("near", {"Artemis Platform", "Artemis Platforms"})
    assert {"Artemis 2", "Artemis 3"} <= entities(key, store).keys()


def test_a_merge_goes_with_its_entity(key: KeyFacts, store: StoreFacts) -> None:
    _, second = add(key, store, "Marie Curie was born in Warsaw.", "Max Planck worked in Berlin.")
    names = ids(key, store)
    services.merge_entities(key=key, store_id=store.public_id, kept=names["Max Planck"], gone=names["Marie Curie"])
    knowledge.remove(**named(key, store), file_id=second)
    assert entities(key, store)["Marie Curie"].aliases == ()
    knowledge.empty_deleted()
    assert ids(key, store)["Marie Curie"] == names["Marie Curie"] and merges(key, store) == []
    with pytest.raises(NotFound):
        selectors.entity_of_store(**named(key, store), entity_id=names["Max Planck"])
