"""The scripts in lua/ against a real Redis: what they let pass, hold, give back, and never do twice."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from redis.exceptions import OutOfMemoryError

from apps.alerts.contracts import REFUSALS
from apps.common.redis import sync_redis
from apps.gateway.admission import script
from apps.gateway.selectors import open_holds
from apps.gateway.tasks import release_expired_holds

KEY, PROJECT, ACCOUNT = 901, 902, 903
SCOPES = (f"key:{KEY}", f"project:{PROJECT}", f"account:{ACCOUNT}")
MONTH = "202611"
REVISIONS = {"art:rev:key:test": "3", "art:rev:account:test": "5", "art:rev:catalog:test": "7"}


@pytest.fixture(autouse=True)
def _known() -> Iterator[None]:
    store = sync_redis()
    store.mset(REVISIONS | {f"art:spent:{scope}:{MONTH}": "0" for scope in SCOPES})
    yield
    store.delete(*store.keys("art:*"))


def admit(request_id: str = "r", **changes: Any) -> list[Any]:
    fields: dict[str, Any] = {
        "rpm": 600,
        "tpm": 100_000,
        "parallel": 64,
        "tokens": 100,
        "hold": 1000,
        "key_budget": "",
        "project_budget": "",
        "account_budget": "",
        "lease": 90_000,
        "month": MONTH,
        "revisions": REVISIONS,
    } | changes
    pairs = [word for pair in fields["revisions"].items() for word in pair]
    rates = [
        (SCOPES[0], "requests", 60_000, fields["rpm"]),
        (SCOPES[0], "tokens", 60_000, fields["tpm"]),
        *fields.get("rates", ()),
    ]
    parallels = [(SCOPES[0], fields["parallel"]), *fields.get("parallels", ())]
    sums = [fields[name] for name in ("key_budget", "project_budget", "account_budget")]
    budgets = [(scope, fields["month"], budget) for scope, budget in zip(SCOPES, sums, strict=True)]
    budgets += fields.get("budgets", ())
    tokens = ",".join(f"art:rate:{what}:{scope}={limit}={period}" for scope, what, period, limit in rates[1:])
    opens = ",".join(scope for scope, _ in parallels)
    record = (
        fields["record"]
        if "record" in fields
        else f"{fields['hold']} {fields['tokens']} {','.join(SCOPES)} {tokens} {opens}"
    )
    lists = [
        word for rows in (rates, parallels, budgets) for word in (len(rows), *(one for row in rows for one in row))
    ]
    answer: list[Any] = run(
        "admit", request_id, *pairs, KEY, fields["hold"], fields["lease"], 1, record, fields["tokens"], *lists
    )
    verdict = answer[0].decode().partition(" ")[0]
    told = answer[1] if verdict in ("stale", "unseeded", "budget") else answer[2]
    return [verdict, told, *(answer[place] for place in (4, 5, 7, 8) if len(answer) > place)]


def settle(request_id: str = "r", *, cost: int = 400, tokens: int = 30, event: str = "{}") -> int:
    return int(run("settle", request_id, cost, tokens, event, *(word for scope in SCOPES for word in (scope, MONTH))))


def run(name: str, *arguments: Any) -> Any:
    return sync_redis().eval(script(name)[1], 0, *map(str, arguments))


def held() -> list[int]:
    return [int(value or 0) for value in sync_redis().mget(*(f"art:held:{scope}" for scope in SCOPES))]


def spent() -> list[int]:
    return [int(value or 0) for value in sync_redis().mget(*(f"art:spent:{scope}:{MONTH}" for scope in SCOPES))]


@pytest.mark.parametrize(("name", "what"), list(zip(REVISIONS, ("key", "account", "catalog"), strict=True)))
def test_what_the_gateway_knows_must_be_true(name: str, what: str) -> None:
    for wrong in ("1", "99"):
        assert admit(revisions=REVISIONS | {name: wrong})[:2] == ["stale", what.encode()]
    sync_redis().delete(name)
    assert admit()[:2] == ["stale", what.encode()]
    assert held() == [0, 0, 0]


@pytest.mark.parametrize("scope", SCOPES)
def test_a_counter_that_is_not_there_is_asked_for(scope: str) -> None:
    sync_redis().delete(f"art:spent:{scope}:{MONTH}")
    assert admit()[:2] == ["unseeded", scope.encode()]
    assert admit(month="202612")[:2] == ["unseeded", SCOPES[0].encode()]
    assert held() == [0, 0, 0]
    assert not sync_redis().exists(f"art:rate:requests:{SCOPES[0]}")  # it took none of the key's requests


def test_an_admission_holds_and_a_settlement_charges_and_gives_back() -> None:
    assert admit("a")[0] == "ok"
    assert admit("b")[0] == "ok"
    assert (held(), spent(), open_holds(key_ids=[KEY])) == ([2000] * 3, [0] * 3, 2)
    assert settle("a") == 1
    assert (held(), spent(), open_holds(key_ids=[KEY])) == ([1000] * 3, [400] * 3, 1)
    assert settle("b", cost=0) == 1
    assert (held(), spent(), open_holds(key_ids=[KEY])) == ([0] * 3, [400] * 3, 0)
    assert not sync_redis().keys("art:hold:*")
    assert sync_redis().zcard("art:holds") == 0


def test_a_settlement_counts_once() -> None:
    admit()
    assert [settle(event='{"a":1}') for _ in range(3)] == [1, 0, 0]
    assert (held(), spent()) == ([0] * 3, [400] * 3)
    assert [fields for _, fields in sync_redis().xrange("art:usage")] == [{b"event": b'{"a":1}'}]


@pytest.fixture
def full() -> Iterator[None]:
    """Redis has no room for anything."""
    store = sync_redis()
    admit("in flight", parallel=1, lease=1)
    store.config_set("maxmemory", 1)
    yield
    store.config_set("maxmemory", 0)


def test_without_room_nobody_is_admitted_or_settled_by_halves(full: None) -> None:
    before = {name: sync_redis().dump(name) for name in sync_redis().keys("art:*")}
    for wanted in (admit, settle, lambda: settle("in flight")):
        with pytest.raises(OutOfMemoryError):
            wanted()
    assert {name: sync_redis().dump(name) for name in sync_redis().keys("art:*")} == before
    assert admit(key_budget=1)[:2] == ["budget", f"key:{KEY}".encode()], "who is refused is told why, all the same"


def test_without_room_holds_end_all_the_same(full: None) -> None:
    assert held() == [1000] * 3
    run("release", "in flight")
    assert held() == [0] * 3


def test_without_room_holds_of_dead_gateways_are_swept(full: None) -> None:
    time.sleep(0.01)
    release_expired_holds()
    assert (held(), open_holds(key_ids=[KEY])) == ([0] * 3, 0)


def test_a_settlement_does_not_begin_a_counter_that_was_lost() -> None:
    admit()
    sync_redis().delete(f"art:spent:{SCOPES[0]}:{MONTH}")
    settle()
    assert sync_redis().get(f"art:spent:{SCOPES[0]}:{MONTH}") is None
    assert spent()[1:] == [400, 400]


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_budget_covers_what_is_spent_and_held_to_the_last_nano_dollar(place: int) -> None:
    budget = {("key_budget", "project_budget", "account_budget")[place]: 2500}
    assert [admit(name, **budget)[0] for name in "abc"] == ["ok", "ok", "budget"]
    assert admit("d", **budget)[1] == SCOPES[place].encode()
    assert admit("e", hold=500, **budget)[0] == "ok"
    assert admit("f", hold=1, **budget)[0] == "budget"
    settle("a", cost=999)
    assert admit("g", hold=2, **budget)[0] == "budget"
    assert admit("h", hold=1, **budget)[0] == "ok"
    assert admit("i", hold=0, **budget)[0] == "ok"


def test_a_budget_beyond_a_double_is_not_needed_and_one_of_nothing_lets_nothing_pass() -> None:
    assert admit(key_budget=0)[0] == "budget"
    assert admit(key_budget=0, hold=0)[0] == "ok"
    assert admit("b", key_budget=2**53 - 1, hold=2**52)[0] == "ok"
    assert admit("c", key_budget=2**53 - 1, hold=2**52)[0] == "budget"


@pytest.mark.parametrize("rpm", [1, 7, 60, 599])
def test_so_many_requests_a_minute_even_at_once(rpm: int) -> None:
    answers = [admit(f"r{number}", rpm=rpm, parallel=10_000) for number in range(min(rpm, 100))]
    assert {answer[0] for answer in answers} == {"ok"}
    remaining = [answer[2] for answer in answers]
    assert all(0 <= rpm - 1 - number <= left for number, left in enumerate(remaining))
    if rpm <= 60:
        assert remaining[0] == rpm - 1
        refused = admit("last", rpm=rpm, parallel=10_000)
        assert refused[0] == "requests"
        assert 0 < refused[1] <= 60_000 / rpm + 1
        assert refused[2] == 0


def test_tokens_a_minute_come_back_when_they_were_not_used() -> None:
    assert admit("a", tpm=100, tokens=100)[0] == "ok"
    assert admit("b", tpm=100, tokens=50)[0] == "tokens"
    settle("a", tokens=40)
    assert admit("c", tpm=100, tokens=61)[0] == "tokens"
    assert admit("d", tpm=100, tokens=59)[0] == "ok"
    assert admit("e", tpm=100, tokens=101)[0] == "too_large"


def test_a_refusal_takes_nothing() -> None:
    assert admit("a", parallel=1)[0] == "ok"
    before = sorted(sync_redis().keys("art:*"))
    for changes in ({"parallel": 1}, {"tokens": 10**6}, {"key_budget": 1}):
        assert admit("b", **changes)[0] in ("parallel", "too_large", "budget")
    assert sorted(sync_redis().keys("art:*")) == sorted([*before, REFUSALS.encode()])
    assert held() == [1000] * 3


def test_holds_of_a_gateway_that_died_are_released() -> None:
    for number in range(5):
        admit(f"dead{number}", lease=1)
    admit("living")
    wait_until_expired("dead4")
    release_expired_holds()
    assert (held(), open_holds(key_ids=[KEY])) == ([1000] * 3, 1)
    assert admit("next", parallel=2)[0] == "ok"
    assert settle("dead0") == 1  # it was only slow: charged, and nothing released twice
    assert (held(), spent()) == ([2000] * 3, [400] * 3)


def record(request_id: str = "a") -> str:
    return sync_redis().get(f"art:hold:{request_id}").decode()  # type: ignore[union-attr]


def test_a_renewed_hold_is_kept() -> None:
    admit("a", lease=1)
    run("renew", 90_000, "a", record())
    release_expired_holds()
    assert held() == [1000] * 3
    settle("a")
    run("renew", 90_000, "a", f"1000 30 {SCOPES[0]} - {SCOPES[0]}")  # what is settled does not begin anew
    assert (held(), open_holds(key_ids=[KEY])) == ([0] * 3, 0)


def test_a_hold_that_was_swept_while_its_request_went_on_is_restored_once() -> None:
    admit("a", lease=1)
    known = record()
    wait_until_expired("a")
    release_expired_holds()
    assert held() == [0] * 3
    run("renew", 90_000, "a", known)
    run("renew", 90_000, "a", known)
    assert (held(), open_holds(key_ids=[KEY])) == ([1000] * 3, 1)
    settle("a")
    assert (held(), spent()) == ([0] * 3, [400] * 3)


def test_an_admission_that_nobody_heard_of_is_withdrawn_before_or_after() -> None:
    admit("a")
    run("release", "a")
    assert (held(), open_holds(key_ids=[KEY])) == ([0] * 3, 0)
    run("release", "b")
    assert admit("b")[0] == "withdrawn"
    assert held() == [0] * 3


def test_tokens_beyond_what_was_reserved_are_owed() -> None:
    admit("a", tpm=1000, tokens=10)
    settle("a", tokens=2000)
    verdict, wait = admit("b", tpm=1000, tokens=10)[:2]
    assert verdict == "tokens"
    assert 50_000 < wait < 70_000


def test_a_clock_set_back_does_not_lock_a_key_out() -> None:
    ahead = f"{(time.time() + 3600) * 1000:.3f}"
    sync_redis().mset({f"art:rate:requests:{SCOPES[0]}": ahead, f"art:rate:tokens:{SCOPES[0]}": ahead})
    verdict, wait = admit("a")[:2]
    assert verdict in ("requests", "tokens")
    assert wait <= 600_000 + 60_000


def test_expired_requests_do_not_block_the_parallel_limit() -> None:
    admit("a", parallel=1, lease=1)
    wait_until_expired("a")
    assert admit("b", parallel=1)[0] == "ok"


def wait_until_expired(request_id: str) -> None:
    expiry = sync_redis().zscore("art:holds", request_id) or 0
    while time.time() * 1000 <= expiry + 1:
        time.sleep(0.001)


def test_every_scope_has_its_own_rates_and_the_tightest_is_told() -> None:
    project = [(SCOPES[1], "requests", 60_000, 3), (SCOPES[1], "tokens", 60_000, 500)]
    answers = [admit(name, rates=project) for name in "abcd"]
    assert [answer[0] for answer in answers] == ["ok", "ok", "ok", "requests"]
    assert [answer[2] for answer in answers] == [2, 1, 0, 0]
    assert [answer[4] for answer in answers] == [400, 300, 200, 200]
    settle("a", tokens=0)
    assert admit("e")[0] == "ok", "another project's key is free"
    assert run("peek", 0, 1, SCOPES[1], "tokens", 60_000, 500)[3:5] == [500, 300]


def test_tokens_a_day_slide_with_the_clock() -> None:
    day = [(SCOPES[2], "day", 86_400_000, 250)]
    assert [admit(name, rates=day)[0] for name in "abc"] == ["ok", "ok", "day"]
    settle("a", tokens=0)
    assert admit("d", rates=day)[0] == "ok"
    verdict, wait = admit("e", rates=day)[:2]
    assert verdict == "day" and 10_000_000 < wait < 86_400_000


def test_requests_at_once_of_every_scope() -> None:
    user = [("user:1:abc", 2)]
    assert [admit(name, parallels=user)[0] for name in "abc"] == ["ok", "ok", "parallel"]
    settle("a")
    assert admit("d", parallels=user)[0] == "ok"
    assert admit("e")[0] == "ok"


def test_a_total_budget_is_over_all_months() -> None:
    total = [(SCOPES[1], "total", 2500)]
    assert admit("a", budgets=total)[:2] == ["unseeded", SCOPES[1].encode()]
    sync_redis().set(f"art:spent:{SCOPES[1]}:total", 1000)
    assert [admit(name, budgets=total)[0] for name in "ab"] == ["ok", "budget"]
    settle("a", cost=400)
    assert int(sync_redis().get(f"art:spent:{SCOPES[1]}:total") or 0) == 1400
    assert admit("c", budgets=total, hold=1100)[0] == "ok"
    assert admit("d", budgets=total, hold=1)[0] == "budget"


def take(*, rpm: int = 3) -> list[Any]:
    rates = [(SCOPES[0], "requests", 60_000, rpm), (SCOPES[0], "tokens", 60_000, 1000)]
    return list(run("take", 0, len(rates), *(word for rate in rates for word in rate)))


def test_what_holds_nothing_counts_as_a_request_too() -> None:
    taken = [take() for _ in range(4)]
    assert [one[0] for one in taken] == [b"ok", b"ok", b"ok", b"requests 3"]
    assert [one[4] for one in taken] == [2, 1, 0, 0]  # left
    assert 0 < taken[3][2] <= 20_000
    assert admit(rpm=3)[0] == "requests"
    assert held() == [0, 0, 0]
    store = sync_redis()
    store.delete(f"art:rate:requests:{SCOPES[0]}")
    store.set(f"art:rate:tokens:{SCOPES[0]}", str(int(time.time() * 1000) + 500_000))
    assert take()[0] == b"ok"  # tokens that are used up refuse nothing that needs none


def test_only_a_budget_that_refuses_is_noted_for_the_alert() -> None:
    assert admit("a", key_budget=1000)[0] == "ok"
    assert sync_redis().smembers(REFUSALS) == set()
    assert admit("b", key_budget=1000)[0] == "budget"
    assert admit("c", account_budget=10)[0] == "budget"
    assert sync_redis().smembers(REFUSALS) == {
        f"key:{KEY} {MONTH} 1000".encode(),
        f"account:{ACCOUNT} {MONTH} 10".encode(),
    }


def test_a_check_counts_a_request_and_holds_nothing() -> None:
    verdict, _, requests, _, tokens, tokens_full_in = admit("a", record="", rpm=2, key_budget=1000)
    assert (verdict, requests, tokens, tokens_full_in) == ("ok", 1, 100_000, 0)
    assert admit("b", record="", rpm=2, key_budget=1000)[0] == "ok"
    assert admit("c", record="", rpm=2)[0] == "requests"
    assert (held(), open_holds(key_ids=[KEY])) == ([0] * 3, 0)


def test_a_check_refuses_what_would_not_be_admitted_now() -> None:
    assert admit("a", record="", tpm=100, key_budget=1000)[0] == "ok"
    assert admit("a", tpm=100, key_budget=1000)[0] == "ok"  # when it is run
    assert admit("b", record="", tpm=100)[0] == "tokens"
    assert admit("b", record="", tokens=101, tpm=100)[0] == "too_large"
    assert admit("b", record="", tokens=0, key_budget=1000)[:2] == ["budget", SCOPES[0].encode()]
    assert held() == [1000] * 3


def test_what_a_dead_try_held_does_not_stand_in_the_way_of_the_next() -> None:
    assert admit("a", key_budget=1000, parallel=1)[0] == "ok"
    assert admit("a", key_budget=1000, parallel=2)[0] == "budget"
    assert run("lapse", "a") == 1
    assert run("lapse", "a") == 0
    assert admit("a", key_budget=1000, parallel=1)[0] == "ok"
    assert settle("a") == 1
    assert held() == [0] * 3
