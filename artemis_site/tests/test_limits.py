"""What a key's policy allows, and that its limits and budgets hold under a race; changes take effect at once."""

import asyncio
import json
import re
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import anthropic
import httpx
import openai
import pytest

from artemis_site.tests.desk import Desk
from artemis_site.tests.errands import (
    Key,
    change_key,
    disable_key,
    free_budget,
    give_tier,
    limit_account,
    limit_model,
    limit_project,
    make_account,
    revoke_key,
    rotate_key,
    set_budgets,
)
from artemis_site.tests.platform import EMBEDDING_MODEL, MODEL, SMALL_MODEL, Platform

INPUT_PRICE, OUTPUT_PRICE = 1000, 2000  # nano-dollars a token, as platform.py sets them
TEMPLATE_TOKENS = 256
GREETING: Any = {"role": "user", "content": "Hello"}
RATE_HEADERS = [f"x-ratelimit-{what}-{of}" for what in ("limit", "remaining", "reset") for of in ("requests", "tokens")]


def body_of(content: str = "Hello", *, model: str = MODEL, max_tokens: int = 5) -> bytes:
    fields = {
        "model": model,
        "messages": [{"role": "user", "content": content}],
        "max_tokens": max_tokens,
    }
    return json.dumps(fields).encode()


def most_expensive(body: bytes, max_tokens: int = 5) -> int:
    """Nano-dollars that a request can cost at most."""
    return (len(body) + TEMPLATE_TOKENS) * INPUT_PRICE + max_tokens * OUTPUT_PRICE


def ask(platform: Platform, key: Key | str, body: bytes | None = None) -> httpx.Response:
    secret = key if isinstance(key, str) else key.secret
    return platform.post(
        "/v1/chat/completions",
        api_key=secret,
        content=body or body_of(),
        headers={"Content-Type": "application/json"},
    )


def at_once(platform: Platform, key: Key, count: int, body: bytes) -> list[httpx.Response]:
    """So many requests, none of which waits for another one."""
    headers = {"Authorization": f"Bearer {key.secret}", "Content-Type": "application/json"}

    async def send() -> list[httpx.Response]:
        limits = httpx.Limits(max_connections=count)
        async with httpx.AsyncClient(headers=headers, timeout=30, limits=limits) as client:
            url = f"{platform.base_url}/v1/chat/completions"
            return await asyncio.gather(*(client.post(url, content=body) for _ in range(count)))

    return asyncio.run(send())


def code(answer: httpx.Response) -> str:
    found: str = answer.json()["error"]["code"]
    return found


def test_requests_a_minute(platform: Platform, desk: Desk) -> None:
    key = desk.key(rpm_limit=7)
    allowed = [ask(platform, key) for _ in range(7)]
    refused = ask(platform, key)

    assert [answer.status_code for answer in allowed] == [200] * 7
    assert [answer.headers["x-ratelimit-remaining-requests"] for answer in allowed] == list("6543210")
    assert refused.status_code == 429
    assert code(refused) == "rate_limit_exceeded"
    assert 1 <= int(refused.headers["retry-after"]) <= 9  # one of seven comes back every 8.6 seconds
    assert refused.headers["x-ratelimit-limit-requests"] == "7"
    assert refused.headers["x-ratelimit-remaining-requests"] == "0"
    desk.bill(key, requests=7)


def test_tokens_a_minute(platform: Platform, desk: Desk) -> None:
    """A request reserves what it will probably use, and gets the rest back when it is done."""
    body = body_of("x" * 400, max_tokens=100)
    reserved = len(body) // 4 + 1 + 100
    key = desk.key(tpm_limit=reserved + 60)
    first = ask(platform, key, body)
    used = first.json()["usage"]["total_tokens"]
    assert int(first.headers["x-ratelimit-remaining-tokens"]) == 60
    desk.bill(key, requests=1)

    second = ask(platform, key, body)  # admitted only because the first gave back what it did not use
    assert second.status_code == 200
    assert 60 - used <= int(second.headers["x-ratelimit-remaining-tokens"]) < 60
    too_large = ask(platform, key, body_of("x" * 400, max_tokens=300))
    assert (too_large.status_code, code(too_large)) == (429, "tokens_limit_exceeded")
    assert "retry-after" not in too_large.headers  # waiting would not help
    assert too_large.headers["x-should-retry"] == "false"


def test_too_many_tokens_in_one_minute(platform: Platform, desk: Desk) -> None:
    platform.primary.script(output_tokens=100)
    body = body_of(max_tokens=100)
    key = desk.key(tpm_limit=250)
    answers = [ask(platform, key, body) for _ in range(4)]
    refused = answers[-1]
    assert answers[0].status_code == 200
    assert (refused.status_code, code(refused)) == (429, "rate_limit_exceeded")
    assert "tokens a minute" in refused.json()["error"]["message"]
    assert 1 <= int(refused.headers["retry-after"]) <= 60


def test_requests_at_once(platform: Platform, desk: Desk) -> None:
    platform.primary.script(header_delay=0.5)
    key = desk.key(parallel_limit=3)
    answers = at_once(platform, key, 12, body_of())
    refused = [answer for answer in answers if answer.status_code == 429]

    assert len(refused) == 9
    assert {code(answer) for answer in refused} == {"rate_limit_exceeded"}
    assert all(answer.headers["retry-after"] == "1" for answer in refused)
    assert all(answer.headers["x-should-retry"] == "true" for answer in refused)
    desk.bill(key, requests=3)
    assert ask(platform, key).status_code == 200


def test_rate_headers_on_every_kind_of_answer(platform: Platform, desk: Desk) -> None:
    key = desk.key(rpm_limit=3, tpm_limit=1000)
    whole = ask(platform, key)
    streamed = ask(platform, key, body_of().replace(b'"max_tokens"', b'"stream": true, "max_tokens"'))
    embedded = platform.post("/v1/embeddings", api_key=key.secret, json={"model": EMBEDDING_MODEL, "input": "Hello"})
    refused = ask(platform, key)

    assert [answer.status_code for answer in (whole, streamed, embedded, refused)] == [200, 200, 200, 429]
    for answer in (whole, streamed, embedded, refused):
        assert set(RATE_HEADERS) <= set(answer.headers)
        assert answer.headers["x-ratelimit-limit-tokens"] == "1000"
        assert 0 < seconds(answer.headers["x-ratelimit-reset-requests"]) <= 60
    assert seconds(whole.headers["x-ratelimit-reset-requests"]) == pytest.approx(20, abs=1)


def seconds(duration: str) -> float:
    return float(duration.removesuffix("s"))


def test_allowed_models(platform: Platform, desk: Desk) -> None:
    key = desk.key(allowed_models=(SMALL_MODEL,))
    refused = ask(platform, key)

    assert ask(platform, key, body_of(model=SMALL_MODEL)).status_code == 200
    assert (refused.status_code, code(refused)) == (403, "model_not_allowed")
    assert [model.id for model in platform.client(key.secret).models.list()] == [SMALL_MODEL]


def test_allowed_endpoints(platform: Platform, desk: Desk) -> None:
    key = desk.key(allowed_endpoints=("embeddings",))
    embedded = platform.post("/v1/embeddings", api_key=key.secret, json={"model": EMBEDDING_MODEL, "input": "Hello"})
    refused = ask(platform, key)
    listed = httpx.get(f"{platform.base_url}/v1/models", headers={"Authorization": f"Bearer {key.secret}"})

    assert embedded.status_code == 200
    assert (refused.status_code, code(refused)) == (403, "endpoint_not_allowed")
    assert (listed.status_code, code(listed)) == (403, "endpoint_not_allowed")


def test_allowed_addresses(platform: Platform, desk: Desk) -> None:
    assert ask(platform, desk.key(ip_allow_list=("10.0.0.0/8", "127.0.0.0/8"))).status_code == 200
    elsewhere = desk.key(ip_allow_list=("10.0.0.0/8", "2001:db8::/32"))
    refused = ask(platform, elsewhere)
    assert (refused.status_code, code(refused)) == (403, "ip_not_allowed")
    spoofed = httpx.post(
        f"{platform.base_url}/v1/chat/completions",
        headers={"Authorization": f"Bearer {elsewhere.secret}", "X-Forwarded-For": "10.0.0.1"},
        content=body_of(),
    )
    assert spoofed.status_code == 403


@pytest.mark.parametrize("scope", ["key", "project", "account"])
def test_sixty_requests_race_for_a_budget_of_seven(platform: Platform, desk: Desk, scope: str) -> None:
    """While they run, each may still cost the most it can: seven fit. None is overspent, whoever wins."""
    platform.primary.script(header_delay=0.7)
    body = body_of()
    budget = 7 * most_expensive(body)
    key = desk.key(monthly_budget=budget) if scope == "key" else desk.call(set_budgets, scope, budget)
    answers = at_once(platform, key, 60, body)
    refused = [answer for answer in answers if answer.status_code != 200]
    passed = 60 - len(refused)

    assert 7 <= passed < 60
    assert {(answer.status_code, code(answer)) for answer in refused} == {(429, "insufficient_quota")}
    assert all(scope in answer.json()["error"]["message"] for answer in refused)
    bill = desk.bill(key, requests=passed)
    assert 0 < bill.cost <= budget
    assert all(request.outcome == "completed" for request in bill.requests)


def test_a_raised_budget_takes_effect_at_once(platform: Platform, desk: Desk) -> None:
    key = desk.key(monthly_budget=most_expensive(body_of()) - 1)
    assert code(ask(platform, key)) == "insufficient_quota"
    assert code(ask(platform, key)) == "insufficient_quota"

    desk.call(change_key, key, {"monthly_budget": 10**9})
    assert [ask(platform, key).status_code for _ in range(6)] == [200] * 6  # whichever worker is asked

    desk.call(change_key, key, {"monthly_budget": 0})
    assert {code(ask(platform, key)) for _ in range(6)} == {"insufficient_quota"}


def test_revocation_holds_from_the_moment_it_is_done(platform: Platform, desk: Desk) -> None:
    """Both workers serve the key when it is revoked; not one later request gets through."""
    key = desk.key(rpm_limit=100_000, tpm_limit=10**8)
    revoked = threading.Event()
    statuses: dict[str, list[int]] = {"before": [], "after": []}

    def keep_asking(path: str) -> None:
        while len(statuses["after"]) < 40:
            when = "after" if revoked.is_set() else "before"
            with httpx.Client(headers={"Authorization": f"Bearer {key.secret}"}) as client:  # a new connection
                if path == "/v1/models":
                    answer = client.get(platform.base_url + path)
                else:
                    answer = client.post(
                        platform.base_url + path,
                        content=body_of(),
                        headers={"Content-Type": "application/json"},
                    )
            statuses[when].append(answer.status_code)

    with ThreadPoolExecutor(4) as pool:
        work = [
            pool.submit(keep_asking, path) for path in ("/v1/models", "/v1/chat/completions", "/v1/chat/completions")
        ]
        wait_for(lambda: len(statuses["before"]) > 20)
        desk.call(revoke_key, key)
        revoked.set()
        for one in work:
            one.result()
    assert set(statuses["after"]) == {401}
    assert statuses["before"].count(200) > 15


def test_the_command_revokes_at_once_too(platform: Platform, desk: Desk) -> None:
    key = desk.key()
    assert [ask(platform, key).status_code for _ in range(4)] == [200] * 4
    assert platform.manage("revoke_key", key.public_id)["revoked"]
    assert {ask(platform, key).status_code for _ in range(8)} == {401}
    assert platform.manage("revoke_key", key.public_id)["revoked"]  # again: nothing changes
    refused = platform.manage("revoke_key", "key_unknown", check=False)
    assert refused["error"]["code"] == "not_found"


def test_a_disabled_key_can_be_switched_on_again(platform: Platform, desk: Desk) -> None:
    """Off at once; on within a second, for which the gateway believes what it has just read."""
    key = desk.key()
    assert [ask(platform, key).status_code for _ in range(4)] == [200] * 4
    desk.call(disable_key, key, True)
    assert {code(ask(platform, key)) for _ in range(4)} == {"api_key_disabled"}
    desk.call(disable_key, key, False)
    wait_for(lambda: [ask(platform, key).status_code for _ in range(4)] == [200] * 4, seconds=2)


def test_a_wider_policy_takes_effect_at_once(platform: Platform, desk: Desk) -> None:
    """Also where the refusal itself would never have asked Redis."""
    key = desk.key(allowed_models=(SMALL_MODEL,), allowed_endpoints=("models",))
    assert {code(ask(platform, key)) for _ in range(4)} == {"endpoint_not_allowed"}
    desk.call(change_key, key, {"allowed_models": (SMALL_MODEL,)})
    assert {code(ask(platform, key)) for _ in range(4)} == {"model_not_allowed"}
    desk.call(change_key, key, {})
    assert {ask(platform, key).status_code for _ in range(4)} == {200}
    desk.call(change_key, key, {"allowed_endpoints": ("embeddings",)})
    assert {code(ask(platform, key)) for _ in range(4)} == {"endpoint_not_allowed"}


def test_both_secrets_work_while_a_rotation_lasts(platform: Platform, desk: Desk) -> None:
    key = desk.key()
    assert ask(platform, key).status_code == 200
    new = desk.call(rotate_key, key, timedelta(seconds=2))
    ended = time.monotonic() + 2
    statuses = [ask(platform, secret).status_code for secret in (key.secret, new) * 4]
    if time.monotonic() < ended:
        assert statuses == [200] * 8
    wait_for(lambda: ask(platform, key).status_code == 401, seconds=5)
    assert time.monotonic() >= ended - 0.2
    assert {code(ask(platform, key)) for _ in range(4)} == {"api_key_expired"}
    assert ask(platform, new).status_code == 200

    newest = desk.call(rotate_key, key, timedelta(0))
    assert {ask(platform, secret).status_code for secret in (key.secret, new)} == {401}
    assert ask(platform, newest).status_code == 200


def test_a_new_model_and_a_new_price_are_seen_by_both_workers(platform: Platform, desk: Desk) -> None:
    """What is under way keeps the price at which it began."""
    platform.primary.script(match="slow", tokens_per_second=2.5, output_tokens=8)
    key = desk.key()
    load_lunar(platform, "1e-6")
    assert [ask(platform, key, body_of(model="lunar")).status_code for _ in range(6)] == [200] * 6

    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(ask, platform, key, body_of("slow", model="lunar", max_tokens=8))
        platform.primary.wait_log(lambda entry: "slow" in str(entry["body"]) and not entry["finished"])
        load_lunar(platform, "5e-6")
        later = [ask(platform, key, body_of("later", model="lunar")) for _ in range(6)]
        assert slow.result().status_code == 200

    bill = desk.bill(key, requests=13)
    before = [request for request in bill.requests if request.cost == expected(request, 1000)]
    after = [request for request in bill.requests if request.cost == expected(request, 5000)]
    assert [answer.status_code for answer in later] == [200] * 6
    assert (len(before), len(after)) == (7, 6)
    assert any(request.output_tokens == 8 for request in before)


def expected(request: Any, input_price: int) -> int:
    return int(request.input_tokens * input_price + request.output_tokens * OUTPUT_PRICE)


def load_lunar(platform: Platform, input_cost: str) -> None:
    params = {
        "model": "hosted_vllm/lunar",
        "api_base": f"{platform.primary.base_url}/v1",
        "stream_timeout": 5,
    }
    info = {
        "id": "lunar-a",
        "max_input_tokens": 8192,
        "max_output_tokens": 64,
        "input_cost_per_token": input_cost,
        "output_cost_per_token": "2e-6",
    }
    file = platform.home / "lunar.yaml"
    entry = {"model_name": "lunar", "litellm_params": params, "model_info": info}
    file.write_text(json.dumps({"model_list": [entry]}))
    platform.manage("load_models", str(file))


def wait_for(condition: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "what was awaited did not happen"
        time.sleep(0.02)


def test_every_owner_has_limits_of_its_own(platform: Platform, desk: Desk) -> None:
    """The refusal says which limit, of whom; the headers tell of the tightest."""
    account = desk.call(make_account, "Limited")
    desk.call(limit_account, account, {"rpm_limit": 5})
    keys = [desk.key(account=account) for _ in range(3)]
    answers = [ask(platform, keys[number % 3]) for number in range(7)]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429] * 2
    assert [answer.headers["x-ratelimit-remaining-requests"] for answer in answers] == list("4321000")
    assert {answer.headers["x-ratelimit-limit-requests"] for answer in answers} == {"5"}
    assert "The account's limit of 5 requests a minute" in answers[-1].json()["error"]["message"]
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 13

    desk.call(limit_account, account, {"rpm_limit": None})
    desk.call(limit_project, account, {"tpd_limit": 300})
    platform.primary.script(output_tokens=100)
    body = body_of(max_tokens=100)
    statuses = [ask(platform, key, body).status_code for key in keys]
    assert statuses.count(200) < 3 and statuses[0] == 200
    refused = ask(platform, keys[0], body)
    assert "The project's limit of 300 tokens a day" in refused.json()["error"]["message"]
    assert int(refused.headers["retry-after"]) > 60


def test_a_tier_limits_its_accounts_and_each_of_their_end_users(platform: Platform, desk: Desk) -> None:
    account = desk.call(make_account, "Tiered")
    desk.call(give_tier, account, "Free", {"end_user_rpm_limit": 2, "parallel_limit": 50})
    key = desk.key(account=account)

    def ask_as(user: str, field: str = "user") -> httpx.Response:
        fields = {"model": MODEL, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 5, field: user}
        return platform.post("/v1/chat/completions", api_key=key.secret, json=fields)

    assert [ask_as("alice").status_code for _ in range(3)] == [200, 200, 429]
    assert (
        "The end user's limit of 2 requests a minute" in ask_as("alice", "safety_identifier").json()["error"]["message"]
    )
    assert ask_as("bob, with a comma=and more").status_code == 200
    assert [ask(platform, key).status_code for _ in range(4)] == [200] * 4

    desk.call(give_tier, account, "Free", {"end_user_rpm_limit": None, "rpm_limit": 1})
    assert [ask(platform, key).status_code for _ in range(2)] == [200, 429]


def test_a_model_limits_each_account(platform: Platform, desk: Desk) -> None:
    desk.call(limit_model, SMALL_MODEL, {"parallel_limit": 2})
    try:
        platform.primary.script(header_delay=0.5)
        answers = at_once(platform, desk.key(), 6, body_of(model=SMALL_MODEL))
        refused = [answer for answer in answers if answer.status_code == 429]
        assert len(refused) == 4
        assert "account for this model" in refused[0].json()["error"]["message"]
    finally:
        desk.call(limit_model, SMALL_MODEL, {"parallel_limit": None})


def test_a_total_budget_is_spent_once(platform: Platform, desk: Desk) -> None:
    body = body_of()
    key = desk.key(total_budget=most_expensive(body))
    first = ask(platform, key, body)
    refused = ask(platform, key, body)
    assert (first.status_code, refused.status_code, code(refused)) == (200, 429, "insufficient_quota")
    assert "month" not in refused.json()["error"]["message"]
    desk.bill(key, requests=1)


def test_a_thousand_requests_race_for_a_budget_of_a_hundred(platform: Platform, desk: Desk) -> None:
    """At most as many pass as the budget pays for, nothing is overspent, and no hold is left behind."""
    body = body_of()
    spent = 8 * INPUT_PRICE  # "Hello" and its template, as the fake engine counts
    key = desk.key(rpm_limit=1_000_000, parallel_limit=10_000)
    ask(platform, key, body)
    price = desk.bill(key, requests=1).cost
    assert price >= spent // 2
    # What is held is more than what is paid: of 100 that the budget pays for, fewer run at any moment.
    desk.call(change_key, key, {"rpm_limit": 10**6, "parallel_limit": 10_000, "monthly_budget": 101 * price})
    statuses: list[int] = []
    with ThreadPoolExecutor(8) as pool:
        for batch in pool.map(lambda _: at_once(platform, key, 125, body), range(8)):
            statuses += [answer.status_code for answer in batch]
    assert len(statuses) == 1000 and set(statuses) == {200, 429}
    bill = desk.bill(key, requests=1 + statuses.count(200))
    assert statuses.count(200) <= 100
    assert bill.cost == (1 + statuses.count(200)) * price <= 101 * price
    assert bill.held == [0, 0, 0]
    assert desk.call(free_budget, key) == 101 * price - bill.cost


@pytest.mark.parametrize("dialect", ["openai", "anthropic"])
def test_the_official_clients_repeat_what_time_mends_and_not_what_it_does_not(
    platform: Platform, desk: Desk, dialect: str
) -> None:
    """Each of them with retries on, as they are unless told otherwise."""
    spent, slow = desk.key(monthly_budget=1), desk.key(rpm_limit=60)

    def call(key: Key) -> None:
        if dialect == "openai":
            client = platform.client(key.secret, max_retries=3)
            client.chat.completions.create(model=MODEL, messages=[GREETING], max_tokens=4)
            return
        with anthropic.Anthropic(base_url=platform.base_url, api_key=key.secret, max_retries=3) as claude:
            claude.messages.create(model=MODEL, messages=[GREETING], max_tokens=4)

    before = refusals(platform)
    with pytest.raises((openai.RateLimitError, anthropic.RateLimitError)) as refused:
        call(spent)
    assert refused.value.response.headers["x-should-retry"] == "false"
    assert refusals(platform) - before == 1  # asked once
    for _ in range(61):  # the last of them has to wait a second, and does
        call(slow)


def refusals(platform: Platform) -> float:
    text = httpx.get(f"{platform.base_url}/metrics").text
    return sum(float(value) for value in re.findall(r'artemis_limit_refusals_total\{limit="budget"\} (\S+)', text))
