"""The graph of a vector store over the running platform: built offline and by a model, read, merged, paid for."""

import json
import time
from typing import Any

import httpx
import pytest
from openai import OpenAI

from artemis_site.tests.desk import Desk
from artemis_site.tests.errands import Key, make_account
from artemis_site.tests.platform import EMBEDDING_MODEL, MODEL, Platform

CURIE = "Marie Curie was born in Warsaw. Marie Curie worked with Pierre Curie in Paris."
APPLE = "Apple acquired Beats Electronics in 2014. Tim Cook, the chief executive of Apple, lives in California."
STATED = {
    "entities": [
        {"name": "Marie Curie", "type": "person", "aliases": []},
        {"name": "Warsaw", "type": "place", "aliases": []},
        {"name": "Atlantis", "type": "place", "aliases": []},
    ],
    "relations": [
        {"subject": "Marie Curie", "relation": "born in", "object": "Warsaw"},
        {"subject": "Marie Curie", "relation": "born in", "object": "Atlantis"},
    ],
}


class Graph:
    """The operations of one store's graph, as an application calls them."""

    def __init__(self, platform: Platform, key: Key, store: str) -> None:
        self._headers = {"Authorization": f"Bearer {key.secret}"}
        self._base = f"{platform.base_url}/api/v1/graph/{store}"

    def call(self, method: str, path: str = "", body: Any = None, **query: Any) -> httpx.Response:
        return httpx.request(
            method, f"{self._base}{path}", headers=self._headers, json=body, params=query or None, timeout=30
        )

    def get(self, path: str = "", **query: Any) -> Any:
        answer = self.call("GET", path, **query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str = "", body: Any = None, status: int = 200) -> Any:
        answer = self.call("POST", path, body)
        assert answer.status_code == status, answer.text
        return answer.json()

    def built(self, seconds: float = 60) -> Any:
        until = time.monotonic() + seconds
        while (state := self.get())["status"] == "in_progress":
            assert time.monotonic() < until, self.get("/files")
            time.sleep(0.2)
        return state

    def entity(self, name: str) -> Any:
        return next(row for row in self.get("/entities", search=name)["data"] if row["name"] == name)


@pytest.fixture
def key(desk: Desk) -> Key:
    return desk.key()


@pytest.fixture
def client(platform: Platform, key: Key) -> OpenAI:
    return platform.client(key.secret)


@pytest.fixture
def store(client: OpenAI) -> str:
    store = client.vector_stores.create(name="People", extra_body={"embedding_model": EMBEDDING_MODEL})
    put(client, store.id, CURIE)
    return store.id


@pytest.fixture
def graph(platform: Platform, key: Key, store: str) -> Graph:
    return Graph(platform, key, store)


def put(client: OpenAI, store: str, text: str, name: str = "curie.txt") -> str:
    file = client.files.create(file=(name, text.encode()), purpose="assistants")
    read = client.vector_stores.files.create_and_poll(file.id, vector_store_id=store, poll_interval_ms=200)
    assert read.status == "completed", read.last_error
    return file.id


def test_a_graph_is_built_offline_read_and_forgets(client: OpenAI, graph: Graph, store: str) -> None:
    assert (graph.get()["status"], graph.get()["method"]) == ("none", "off")
    estimate = graph.get("/estimate")
    assert (estimate["passages"], estimate["cost_nano_usd"]) == (1, 0)
    assert graph.post(body={"method": "offline"})["method"] == "offline"
    assert graph.built()["progress"]["passages_done"] == 1

    listed = graph.get("/entities", type="person", limit=1)
    assert listed["has_more"] and listed["data"][0]["type"] == "person"
    following = graph.get("/entities", type="person", after=listed["data"][0]["id"])
    assert {row["name"] for row in listed["data"] + following["data"]} == {"Marie Curie", "Pierre Curie"}
    marie, warsaw = graph.entity("Marie Curie"), graph.entity("Warsaw")
    assert graph.get(f"/entities/{marie['id']}") == marie
    relation = next(row for row in graph.get("/relations", entity=marie["id"])["data"] if row["type"] == "born in")
    assert relation["object"]["name"] == "Warsaw" and graph.get(f"/relations/{relation['id']}") == relation
    (passage,) = graph.get(f"/relations/{relation['id']}/passages")["data"]
    assert passage["text"] == CURIE and passage["filename"] == "curie.txt"
    assert graph.get(f"/entities/{warsaw['id']}/passages")["data"][0]["text"] == CURIE
    around = graph.get(f"/entities/{warsaw['id']}/neighbourhood", depth=2)
    assert {"Warsaw", "Marie Curie", "Pierre Curie"} <= {node["name"] for node in around["nodes"]}
    pierre = graph.entity("Pierre Curie")
    path = graph.get("/path", start=warsaw["id"], end=pierre["id"])
    assert [one["name"] for one in path["entities"]] == ["Warsaw", "Marie Curie", "Pierre Curie"]
    assert graph.get("/picture", limit=2)["is_cut"] is True

    second = put(client, store, APPLE, "apple.txt")
    time.sleep(0.1)
    graph.built()
    cook = graph.entity("Tim Cook")
    client.vector_stores.files.delete(second, vector_store_id=store)
    assert graph.call("GET", f"/entities/{cook['id']}").status_code == 404
    assert all(row["name"] != "Tim Cook" for row in graph.get("/entities")["data"])

    assert graph.call("DELETE").json() == {"vector_store_id": store, "deleted": True}
    assert graph.call("GET", "/entities").json()["error"]["code"] == "graph_not_found"


def test_merges_by_hand_are_undone(graph: Graph) -> None:
    graph.post(body={"method": "offline"})
    graph.built()
    marie, pierre = graph.entity("Marie Curie"), graph.entity("Pierre Curie")
    merge = graph.post("/merges", {"kept": marie["id"], "gone": pierre["id"]}, status=201)
    assert graph.get(f"/entities/{pierre['id']}")["aliases"] == ["Pierre Curie"]
    assert graph.call("POST", "/merges", {"kept": marie["id"], "gone": pierre["id"]}).status_code == 409
    assert graph.post(f"/merges/{merge['id']}/undo")["undone_at"]
    assert graph.get(f"/entities/{pierre['id']}")["name"] == "Pierre Curie"
    assert graph.get("/merges")["data"][0]["reason"] == "by_hand"


def test_a_model_builds_it_and_is_paid_by_the_files_key(platform: Platform, desk: Desk, key: Key, graph: Graph) -> None:
    estimate = graph.get("/estimate", model=MODEL)
    assert estimate["passages"] == 1 and 0 < estimate["cost_nano_usd"] <= estimate["cost_at_most_nano_usd"]
    platform.primary.script(texts=(json.dumps(STATED),), match="Marie Curie was born")
    graph.post(body={"method": "model", "model": MODEL})
    state = graph.built()
    assert (state["built_by"], state["model"], state["progress"]["passages_skipped"]) == ("model", MODEL, 0)
    assert {row["name"] for row in graph.get("/entities")["data"]} == {"Marie Curie", "Warsaw"}, "what stands there"
    assert [row["type"] for row in graph.get("/relations")["data"]] == ["born in"]
    asked = platform.primary.log()[-1]["body"]
    assert asked["response_format"]["type"] == "json_schema"
    bill = desk.bill(key, requests=2)
    assert sorted(row.endpoint for row in bill.requests) == ["chat.completions", "embeddings"]
    assert (
        0
        < next(row.cost for row in bill.requests if row.endpoint == "chat.completions")
        <= (estimate["cost_at_most_nano_usd"])
    )


def test_the_command_does_what_the_api_does(platform: Platform, client: OpenAI, store: str, graph: Graph) -> None:
    of = ("graph", "--store", store, "--account", platform.facts["account"])
    told = platform.manage(*of, "--build", MODEL, "--estimate")["estimate"]
    assert told["passages"] == 1 and told["cost_nano_usd"] > 0 and graph.get()["status"] == "none"
    built = platform.manage(*of, "--build", "offline")
    assert (built["status"], built["method"]) == ("completed", "offline")
    assert {"Marie Curie", "Warsaw"} <= {row["name"] for row in built["entities"]}
    assert ("Marie Curie", "born in", "Warsaw") in {
        (row["subject"], row["type"], row["object"]) for row in built["relations"]
    }
    assert platform.manage(*of, "--build", "off")["method"] == "off"
    assert platform.manage(*of, "--delete")["status"] == "none"
    assert platform.manage(*of, "--build", "nobody", check=False)["error"]["code"] == "model_not_found"


def test_json_that_is_cut_spoils_nothing(platform: Platform, graph: Graph) -> None:
    platform.primary.script(texts=(json.dumps(STATED)[:100],), match="Marie Curie was born")
    graph.post(body={"method": "model", "model": MODEL})
    state = graph.built()
    assert (state["status"], state["progress"]["passages_skipped"]) == ("completed", 1)
    assert "no use" in graph.get("/files")["data"][0]["note"]
    assert graph.get("/entities")["data"] == []


def test_bad_input_is_told(graph: Graph) -> None:
    for method, path, body, query, param in (
        ("POST", "", {"method": "magic"}, {}, "method"),
        ("POST", "", {"method": "offline", "colour": 1}, {}, "colour"),
        ("POST", "", {"method": "model"}, {}, "model"),
        ("POST", "", {"method": "model", "model": EMBEDDING_MODEL}, {}, "model"),
        ("GET", "/estimate", None, {"model": EMBEDDING_MODEL}, "model"),
    ):
        answer = graph.call(method, path, body, **query)
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, param), answer.text
    assert graph.call("POST", "", {"method": "model", "model": "none"}).status_code == 404
    graph.post(body={"method": "offline"})
    graph.built()
    for path, query in (
        ("/entities", {"limit": 0}),
        ("/entities", {"type": "robot"}),
        ("/path", {"start": "a"}),
        ("/path", {"start": "a", "end": "b", "longest": 99}),
        ("/entities", {"search": "a\0b"}),
        ("/relations", {"least_confidence": 2}),
    ):
        assert graph.call("GET", path, **query).status_code == 400, (path, query)
    for path in ("/entities/none", "/relations/none", "/entities/none/passages", "/entities/none/neighbourhood"):
        assert graph.call("GET", path).status_code == 404, path
    assert graph.call("POST", "/merges/none/undo").status_code == 404


def test_nothing_of_it_is_seen_from_another_account_or_project(
    platform: Platform, desk: Desk, graph: Graph, store: str
) -> None:
    graph.post(body={"method": "offline"})
    graph.built()
    marie, relation = graph.entity("Marie Curie")["id"], graph.get("/relations")["data"][0]["id"]
    merge = graph.post("/merges", {"kept": marie, "gone": graph.entity("Warsaw")["id"]}, status=201)["id"]
    stranger = desk.key(account=desk.call(make_account, "Stranger to graphs"))
    theirs = platform.client(stranger.secret).vector_stores.create(name="Mine").id
    Graph(platform, stranger, theirs).post(body={"method": "offline"})
    for other in (store, theirs):
        there = Graph(platform, stranger, other)
        for method, path, body in (
            ("GET", f"/entities/{marie}", None),
            ("GET", f"/entities/{marie}/passages", None),
            ("GET", f"/entities/{marie}/neighbourhood", None),
            ("GET", f"/relations/{relation}", None),
            ("GET", f"/relations/{relation}/passages", None),
            ("GET", f"/relations?entity={marie}", None),
            ("GET", f"/path?start={marie}&end={marie}", None),
            ("POST", "/merges", {"kept": marie, "gone": marie}),
            ("POST", f"/merges/{merge}/undo", None),
        ):
            assert there.call(method, path, body).status_code == 404, path
    there = Graph(platform, stranger, store)
    for method, path, body in (
        ("GET", "", None),
        ("POST", "", {"method": "offline"}),
        ("POST", "", {"method": "off"}),
        ("DELETE", "", None),
        ("GET", "/estimate", None),
        ("GET", "/files", None),
        ("GET", "/entities", None),
        ("GET", "/relations", None),
        ("GET", "/merges", None),
        ("GET", "/picture", None),
    ):
        assert there.call(method, path, body).status_code == 404, path
    nobody = httpx.get(f"{platform.base_url}/api/v1/graph/{store}", timeout=30)
    assert nobody.status_code == 401
    elsewhere = desk.key(allowed_endpoints=("chat.completions",))
    assert Graph(platform, elsewhere, store).call("GET").json()["error"]["code"] == "endpoint_not_allowed"
