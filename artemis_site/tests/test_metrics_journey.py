"""What both workers did is summed at whichever of them Prometheus asks."""

import contextlib
import time

import httpx
from prometheus_client.parser import text_string_to_metric_families

from artemis_site.tests.desk import Desk
from artemis_site.tests.errands import held_by
from artemis_site.tests.platform import MODEL, Platform
from artemis_site.tests.test_batches_journey import begin, chat, ended
from artemis_site.tests.test_failover import open_stream

MESSAGES = [{"role": "user", "content": "Say hello to the moon."}]
CALLS = 24


def samples(platform: Platform) -> dict[str, float]:
    """Sums over all label sets that are about our model, by name."""
    text = httpx.get(f"{platform.base_url}/metrics").raise_for_status().text
    sums: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            about = sample.labels.get("gen_ai_request_model") or sample.labels.get("model")
            if about in (None, MODEL) and sample.labels.get("error_type", "") == "" and "le" not in sample.labels:
                sums[sample.name] = sums.get(sample.name, 0) + sample.value
    return sums


def test_calls_are_counted_over_both_workers(platform: Platform) -> None:
    key = platform.create_key()
    before = samples(platform)
    for number in range(CALLS):  # a connection each, so that both workers get some
        options = {"stream": True} if number % 2 else {}
        answer = platform.post(
            "/v1/chat/completions",
            api_key=key["key"],
            json={"model": MODEL, "messages": MESSAGES, "max_tokens": 5, **options},
        )
        assert answer.status_code == 200
    assert platform.post("/v1/chat/completions", api_key=key["key"], json={"model": "sun"}).status_code == 404
    platform.settled_usage(key["id"], requests=CALLS)
    after = samples(platform)

    def rise(name: str) -> float:
        return after.get(name, 0) - before.get(name, 0)

    assert rise("artemis_requests_total") == CALLS
    assert rise("gen_ai_server_request_duration_seconds_count") == CALLS
    assert rise("gen_ai_server_time_to_first_token_seconds_count") == CALLS / 2
    assert rise("gen_ai_server_time_per_output_token_seconds_count") == CALLS / 2
    assert rise("gen_ai_client_token_usage_count") == CALLS * 2
    assert rise("artemis_upstream_attempts_total") >= CALLS
    assert rise("artemis_error_answers_total") >= 1
    assert after["artemis_holds"] == 0
    assert len(list((platform.home / f"metrics-{platform.port}").glob("counter_*.db"))) >= 2


def test_refusals_are_counted_by_limit(platform: Platform) -> None:
    key = platform.create_key(rpm=1)
    before = samples(platform)
    body = {"model": MODEL, "messages": MESSAGES, "max_tokens": 5}
    statuses = [platform.post("/v1/chat/completions", api_key=key["key"], json=body).status_code for _ in range(3)]
    assert statuses.count(429) == 2
    time.sleep(1.1)  # requests in flight are noted by the second
    after = samples(platform)
    assert after["artemis_limit_refusals_total"] - before.get("artemis_limit_refusals_total", 0) == 2
    assert after["artemis_requests_in_flight"] == 0
    assert after["artemis_model_demand"] >= 1, "the call that was admitted, though it has ended"


def test_what_is_in_flight_in_both_workers_is_one_sum(platform: Platform, desk: Desk) -> None:
    key, calls = desk.key(monthly_budget=10**10), 12
    platform.primary.script(first_token_delay=4)
    with contextlib.ExitStack() as open_ones:
        for _ in range(calls):
            open_ones.enter_context(contextlib.closing(open_stream(platform, key, stream=True)))
        wanted = {"artemis_requests_in_flight": calls, "artemis_calls_waiting": calls, "artemis_holds": calls}
        deadline = time.monotonic() + 4
        while {name: (now := samples(platform)).get(name) for name in wanted} != wanted:
            assert time.monotonic() < deadline, now
            time.sleep(0.1)
        assert now["artemis_model_demand"] >= calls
        (row,) = spread(platform, "artemis_requests_in_flight")
        assert row == calls, "one series, not one of each worker"
        held = desk.call(held_by, key)
        assert held > 0 and round(now["artemis_held_dollars"] * 1e9) == held
    desk.bill(key, requests=calls)
    deadline = time.monotonic() + 5
    while any(samples(platform)[name] for name in (*wanted, "artemis_held_dollars")):
        assert time.monotonic() < deadline
        time.sleep(0.2)


def spread(platform: Platform, name: str) -> list[float]:
    text = httpx.get(f"{platform.base_url}/metrics").raise_for_status().text
    families = text_string_to_metric_families(text)
    return [sample.value for family in families for sample in family.samples if sample.name == name]


def test_nothing_in_the_metrics_names_a_key(platform: Platform) -> None:
    key = platform.create_key()
    body = {"model": "a-name-of-the-caller", "messages": MESSAGES, "user": "a-person"}
    platform.post("/v1/chat/completions", api_key=key["key"], json=body)
    text = httpx.get(f"{platform.base_url}/metrics").text
    for private in (key["key"], key["id"], "a-name-of-the-caller", "a-person"):
        assert private not in text


def routes(platform: Platform) -> dict[tuple[str, str, str], float]:
    """How many calls of endpoints that ask no engine, by method, route and status."""
    text = httpx.get(f"{platform.base_url}/metrics").raise_for_status().text
    return {
        (labels["http_request_method"], labels["http_route"], labels["http_response_status_code"]): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "http_server_request_duration_seconds_count" and (labels := sample.labels)
    }


def test_files_and_batches_are_limited_and_counted(platform: Platform, desk: Desk) -> None:
    key = desk.key(rpm_limit=4)
    before = routes(platform)
    headers = {"Authorization": f"Bearer {key.secret}"}
    answers = [httpx.get(f"{platform.base_url}/v1/{path}", headers=headers) for path in ("files", "batches") * 3]
    answers.append(httpx.get(f"{platform.base_url}/v1/files/file-of-nobody", headers=headers))
    statuses = [answer.status_code for answer in answers]
    assert statuses == [200] * 4 + [429] * 3
    refused = answers[4]
    assert refused.json()["error"]["code"] == "rate_limit_exceeded"
    assert int(refused.headers["retry-after"]) >= 1
    assert refused.headers["x-ratelimit-limit-requests"] == "4"
    body = {"model": MODEL, "messages": MESSAGES, "max_tokens": 5}
    assert platform.post("/v1/chat/completions", api_key=key.secret, json=body).status_code == 429

    after = routes(platform)
    rises = {name: count - before.get(name, 0) for name, count in after.items() if count != before.get(name, 0)}
    assert rises == {
        ("GET", "/v1/files", "200"): 2,
        ("GET", "/v1/batches", "200"): 2,
        ("GET", "/v1/files", "429"): 1,
        ("GET", "/v1/batches", "429"): 1,
        ("GET", "/v1/files/{file_id}", "429"): 1,
    }


def test_the_lines_of_a_batch_are_counted_though_a_worker_answers_them(platform: Platform, desk: Desk) -> None:
    client = platform.client(desk.key().secret)
    before = samples(platform)
    batch = ended(client, begin(client, *(chat(f"line {number}") for number in range(7))))
    assert batch.status == "completed"
    after = samples(platform)
    for name in ("artemis_requests_total", "gen_ai_server_request_duration_seconds_count"):
        assert after[name] - before.get(name, 0) == 7
    assert after["gen_ai_client_token_usage_count"] - before.get("gen_ai_client_token_usage_count", 0) == 14
    assert after["artemis_requests_in_flight"] == 0


def test_money_backlogs_and_the_spool_are_told(platform: Platform, desk: Desk) -> None:
    key = desk.key()
    before = samples(platform)
    body = {"model": MODEL, "messages": MESSAGES, "max_tokens": 5}
    assert platform.post("/v1/chat/completions", api_key=key.secret, json=body).status_code == 200
    names = {
        *("artemis_cost_dollars_total", "artemis_held_dollars", "artemis_calls_waiting", "artemis_circuit_open"),
        *("artemis_spool_settlements", "artemis_usage_event_oldest_age_seconds", "artemis_figures_timestamp_seconds"),
        *("artemis_unposted_dollars", "artemis_unposted_age_seconds"),
        *("artemis_documents_waiting", "artemis_documents_failed", "artemis_documents_oldest_age_seconds"),
    }
    deadline = time.monotonic() + 60  # workers tell them four times a minute
    while missing := names - samples(platform).keys():
        assert time.monotonic() < deadline, missing
        time.sleep(0.5)
    after = samples(platform)
    assert after["artemis_cost_dollars_total"] > before.get("artemis_cost_dollars_total", 0)
    assert after["artemis_spool_settlements"] == 0
    assert after["artemis_unposted_dollars"] >= 0
