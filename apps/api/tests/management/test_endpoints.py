"""What the management API does and answers."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.accounts.tests.cast import Cast
from apps.api.tests.management.conftest import Caller, error_of
from apps.catalog.models import AIModel, PriceVersion
from apps.common.errors import Unauthenticated
from apps.gateway.selectors import key_of_token
from apps.keys.contracts import IssuedKey
from apps.keys.models import ApiKey
from apps.usage.services import record_events

HOME = "127.0.0.1"


def test_accounts(alice: Caller) -> None:
    listed = alice("GET", "/accounts").json()
    assert listed["object"] == "list"
    assert [(row["slug"], row["role"]) for row in listed["data"]] == [("northwind", "owner")]
    assert "ownership" in listed["data"][0]["permissions"]
    assert alice("GET", "").json() == listed["data"][0]


def test_a_trailing_slash_leads_to_the_path_without(alice: Caller) -> None:
    answer = alice("POST", "/accounts/northwind/projects/", {"name": "Game"})
    assert (answer.status_code, answer.headers["Location"]) == (307, "/api/v1/accounts/northwind/projects")


def test_projects(alice: Caller) -> None:
    made = alice("POST", "projects", {"name": "Game", "monthly_budget_nano_usd": 5_000_000_000})
    assert made.status_code == 201
    assert made.json()["slug"] == "game" and made.json()["monthly_budget_nano_usd"] == 5_000_000_000
    changed = alice("PATCH", "projects/game", {"monthly_budget_nano_usd": None}).json()
    assert (changed["name"], changed["monthly_budget_nano_usd"]) == ("Game", None)
    assert alice("POST", "projects/game/archive").json()["archived"] is True
    assert [row["slug"] for row in alice("GET", "projects").json()["data"]] == ["default"]
    assert len(alice("GET", "projects", archived="true").json()["data"]) == 2
    assert alice("POST", "projects/game/restore").json()["archived"] is False
    assert error_of(alice("POST", "projects", {"name": "game"}), 400)["param"] == "name"
    error_of(alice("GET", "projects/none"), 404)


def test_a_keys_life(alice: Caller, cast: Cast) -> None:
    limits = {
        "allowed_models": ["moon"],
        "allowed_endpoints": ["models"],
        "ip_allow_list": ["127.0.0.1"],
        "requests_per_minute": 60,
        "tokens_per_minute": 1000,
        "parallel_requests": 2,
        "monthly_budget_nano_usd": 1_000_000_000,
        "expires_at": "2099-01-01T00:00:00Z",
    }
    made = alice("POST", "keys", {"name": "Production", **limits})
    assert made.status_code == 201
    key = made.json()
    secret = key.pop("key")
    assert {name: key[name] for name in limits} == limits | {"ip_allow_list": ["127.0.0.1/32"]}
    assert (key["status"], key["project"], key["created_by"]) == ("active", "default", "alice@example.com")
    assert key_of_token(token=secret, address=HOME).public_id == key["id"]
    path = f"keys/{key['id']}"
    assert alice("GET", path).json() == key == alice("GET", "keys", project="default").json()["data"][0]

    changed = alice("PATCH", path, {"requests_per_minute": None, "allowed_models": []}).json()
    assert changed == key | {"requests_per_minute": None, "allowed_models": []}
    assert alice("POST", f"{path}/disable").json()["status"] == "disabled"
    with pytest.raises(Unauthenticated):
        key_of_token(token=secret, address=HOME)
    assert alice("POST", f"{path}/enable").json()["status"] == "active"

    rotated = alice("POST", f"{path}/rotate", {"grace_seconds": 0}).json()
    assert rotated["id"] == key["id"] and rotated["key"] != secret
    with pytest.raises(Unauthenticated):
        key_of_token(token=secret, address=HOME)
    key_of_token(token=rotated["key"], address=HOME)
    assert alice("POST", f"{path}/revoke").json()["status"] == "revoked"
    assert error_of(alice("POST", f"{path}/enable"), 400)["code"] == "key_revoked"
    assert "sk-art-" + rotated["key"][7:30] not in alice("GET", "keys").content.decode()


def test_models(alice: Caller, cast: Cast) -> None:
    model = AIModel.objects.create(public_name="moon", extensions=["top_k"])
    PriceVersion.objects.create(ai_model=model, valid_from=timezone.now(), input_price=1, output_price=2)
    AIModel.objects.create(public_name="charlies", account_id=cast.charlies.id)
    data = alice("GET", "models").json()["data"]
    assert [(row["id"], row["extensions"], row["prices"][0]["output"]) for row in data] == [("moon", ["top_k"], 2)]


def use(issued: IssuedKey, count: int, **fields: Any) -> None:
    key = ApiKey.objects.get(public_id=issued.public_id)
    now = timezone.now().replace(microsecond=0)
    event = {
        "account": key.account_id,
        "project": key.project_id,
        "key": key.pk,
        "price_version": None,
        "model": "moon",
        "endpoint": "chat.completions",
        "outcome": "completed",
        "cost": 7,
        "input_tokens": 10,
        "output_tokens": 5,
        "started_at": now.isoformat(),
        **fields,
    }
    record_events(events=[json.dumps(event | {"request_id": f"req_{number:03d}"}) for number in range(count)])


def test_usage(alice: Caller, issued: IssuedKey) -> None:
    use(issued, 7)
    totals = alice("GET", "usage").json()
    assert (totals["requests"], totals["input_tokens"], totals["cost_nano_usd"]) == (7, 70, 49)
    assert alice("GET", "usage", model="sun").json()["requests"] == 0
    assert alice("GET", "usage", key=issued.public_id, project="default").json()["requests"] == 7
    tomorrow = (timezone.now() + timedelta(days=1)).isoformat()
    assert alice("GET", "usage", since=tomorrow).json()["requests"] == 0
    assert alice("GET", "usage", until="2020-01-01T00:00:00Z").json()["requests"] == 0

    for interval in ("hour", "day"):
        for group, name in (("model", "moon"), ("key", issued.public_id), ("project", "default")):
            (bucket,) = alice("GET", "usage/series", interval=interval, group_by=group).json()["data"]
            assert (bucket["group"], bucket["totals"]["requests"]) == (name, 7)
    (bucket,) = alice("GET", "usage/series").json()["data"]
    assert (bucket["group"], bucket["start"]) == ("", f"{timezone.now():%Y-%m-%d}")


def test_the_log_is_paged_through_without_gaps(alice: Caller, issued: IssuedKey) -> None:
    use(issued, 7)  # all at the same moment
    seen, cursor = [], None
    while True:
        page = alice("GET", "usage/requests", limit=3, **({"cursor": cursor} if cursor else {})).json()
        seen += [row["id"] for row in page["data"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == [f"req_{number:03d}" for number in range(6, -1, -1)]


def test_a_key_reads_its_own_limits(alice: Caller, client: Any, issued: IssuedKey) -> None:
    use(issued, 2)
    alice("PATCH", f"keys/{issued.public_id}", {"monthly_budget_nano_usd": 100})
    bearer = {"Authorization": f"Bearer {issued.secret}"}
    own = client.get("/api/v1/key", headers=bearer).json()
    assert own["id"] == issued.public_id and own["limits"]["requests_per_minute"] == 60
    assert own["limits"]["parallel_requests"] > 0
    assert own["budget"]["spent_nano_usd"] == 14 and own["budget"]["remaining_nano_usd"] == 86
    assert own["usage"]["requests"] == 2
    assert client.get("/api/v1/key", headers={"x-api-key": issued.secret}).json()["id"] == issued.public_id
    different = {"Authorization": f"Bearer {issued.secret}", "x-api-key": "junk"}
    for headers in ({}, {"Authorization": "Bearer junk"}, {"Authorization": "Basic eDp5"}, different):
        error_of(client.get("/api/v1/key", headers=headers), 401)
    alice("POST", f"keys/{issued.public_id}/disable")
    assert error_of(client.get("/api/v1/key", headers=bearer), 401)["code"] == "api_key_disabled"
    error_of(alice("GET", "/key"), 401)  # a session is no key


def test_budgets_in_all_that_only_warn(alice: Caller) -> None:
    soft = {"total_budget_nano_usd": 7_000_000_000, "budget_is_hard": False}
    project = alice("POST", "projects", {"name": "Soft", **soft}).json()
    key = alice("POST", "keys", {"name": "Soft", "project": "soft", **soft}).json()
    for made in (project, key):
        assert {name: made[name] for name in soft} == soft
    renamed = alice("PATCH", "projects/soft", {"name": "Softer"}).json()
    assert (renamed["total_budget_nano_usd"], renamed["budget_is_hard"]) == (7_000_000_000, False)
    assert alice("PATCH", f"keys/{key['id']}", {"budget_is_hard": True}).json()["budget_is_hard"] is True
    assert alice("PATCH", "projects/soft", {"budget_is_hard": "perhaps"}).json()["error"]["param"] == "budget_is_hard"
