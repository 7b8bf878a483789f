"""The API's journey with real models behind it: every endpoint by the official client, and a bill that the engine's
own counters confirm. Run by `make test-engine`; the tests of one engine follow each other on one platform."""

import json
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anthropic
import httpx
import openai
import pytest

from artemis_site.tests.real_engines import (
    LLAMACPP,
    VLLM,
    EnginePlatform,
    Journey,
    Tokens,
    started,
    tokens_of_message,
    until,
)

pytestmark = pytest.mark.engine

CAPITAL = "What is the capital of France? Answer in one sentence."
MOON = "What is the moon? Answer in one sentence."
CITY = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "enum": ["London", "Paris", "Rome"]},
        "inhabitants": {"type": "integer", "minimum": 0, "maximum": 99},
    },
    "required": ["city", "inhabitants"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module", params=[LLAMACPP, VLLM], ids=lambda engine: engine.name)
def platform(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EnginePlatform]:
    """One engine after the other; a machine need not hold both."""
    with started(request.param, tmp_path_factory) as platform:
        yield platform


@pytest.fixture(scope="module")
def journey(platform: EnginePlatform) -> Iterator[Journey]:
    key = platform.create_key()
    with platform.client(key["key"], timeout=120) as client:
        yield Journey(platform, key["id"], client, began=platform.counted())


def text_of(chunks: list[Any], index: int = 0) -> str:
    choices = [choice for chunk in chunks for choice in chunk.choices if choice.index == index]
    return "".join(choice.delta.content or "" for choice in choices)


def finish_of(chunks: list[Any]) -> list[str]:
    return [choice.finish_reason for chunk in chunks for choice in chunk.choices if choice.finish_reason]


def test_the_printed_example_works(platform: EnginePlatform, journey: Journey) -> None:
    """The curl line of `make run`'s block, taken apart."""
    block = platform.run_log().partition("Try it:")[2]
    url = re.search(r"curl (\S+)", block)
    body = re.search(r"-d '(.*?)'", block, re.DOTALL)
    assert url
    assert body
    headers = {"Authorization": f"Bearer {journey.client.api_key}"}
    answer = httpx.post(url[1], json=json.loads(body[1]), headers=headers, timeout=60).raise_for_status().json()
    journey.note(openai.types.CompletionUsage.model_validate(answer["usage"]))
    assert "moon" in answer["choices"][0]["message"]["content"].lower()


def test_a_chat_is_answered_whole_and_streamed(journey: Journey) -> None:
    whole = journey.ask(CAPITAL)
    chunks = journey.stream(CAPITAL)

    assert "Paris" in whole.choices[0].message.content
    assert whole.model == journey.model
    assert whole.choices[0].finish_reason == "stop"
    assert text_of(chunks) == whole.choices[0].message.content
    assert finish_of(chunks) == ["stop"]
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens
    assert chunks[-1].usage.prompt_tokens == whole.usage.prompt_tokens


def test_a_seed_and_temperature_zero_give_the_same_answer_again(journey: Journey) -> None:
    one, two = (journey.ask("Tell me about the sea.", seed=7, max_tokens=24) for _ in range(2))
    assert one.choices[0].message.content == two.choices[0].message.content


def test_max_tokens_and_stop_end_an_answer(journey: Journey) -> None:
    limited = journey.ask("Tell me a long story.", max_tokens=7)
    newer = journey.ask("Tell me a long story.", max_tokens=openai.omit, max_completion_tokens=7)
    stopped = journey.ask(CAPITAL, stop=["France"])

    assert limited.choices[0].finish_reason == newer.choices[0].finish_reason == "length"
    assert limited.usage.completion_tokens == newer.usage.completion_tokens == 7
    assert stopped.choices[0].finish_reason == "stop"
    assert stopped.choices[0].message.content == "The capital of "


def test_logprobs_are_given(journey: Journey) -> None:
    answer = journey.ask(CAPITAL, max_tokens=3, logprobs=True, top_logprobs=2)
    tokens = answer.choices[0].logprobs.content

    assert "".join(token.token for token in tokens) == answer.choices[0].message.content
    assert len(tokens) == 3
    assert all(token.logprob <= 0 and len(token.top_logprobs) == 2 for token in tokens)


def test_an_answer_fits_its_json_schema(journey: Journey) -> None:
    schema = {"type": "json_schema", "json_schema": {"name": "city", "strict": True, "schema": CITY}}
    answer = journey.ask(CAPITAL, response_format=schema, max_tokens=80)
    found = json.loads(answer.choices[0].message.content)

    assert found.keys() == {"city", "inhabitants"}
    assert found["city"] in CITY["properties"]["city"]["enum"]
    assert type(found["inhabitants"]) is int
    assert 0 <= found["inhabitants"] <= 99


def test_an_engines_own_parameter_has_its_effect(journey: Journey) -> None:
    greedy = journey.ask(CAPITAL)
    hot = journey.ask(CAPITAL, temperature=2, extra_body={"top_k": 1})
    with pytest.raises(openai.BadRequestError) as refused:
        journey.ask(CAPITAL, extra_body={"top_kk": 1})

    assert hot.choices[0].message.content == greedy.choices[0].message.content
    assert refused.value.code == "unknown_parameter"
    assert refused.value.param == "top_kk"


def test_two_choices_are_counted_whole_and_streamed(journey: Journey) -> None:
    with journey.engine_counts(times_input=2):
        whole = journey.ask(MOON, n=2, temperature=1, seed=3, max_tokens=6)
    with journey.engine_counts(times_input=2):
        chunks = journey.stream(MOON, n=2, temperature=1, seed=3, max_tokens=6)

    assert [choice.index for choice in whole.choices] == [0, 1]
    assert all(choice.message.content for choice in whole.choices)
    assert whole.usage.completion_tokens == 12
    assert all(text_of(chunks, index) for index in (0, 1))
    assert finish_of(chunks) == ["length", "length"]
    assert chunks[-1].usage.completion_tokens == 12


def test_completions_of_one_text_and_of_several(journey: Journey) -> None:
    def complete(prompt: Any, **options: Any) -> Any:
        answer = journey.client.completions.create(
            model=journey.model, prompt=prompt, max_tokens=6, temperature=0, **options
        )
        if not options:
            journey.note(answer.usage)
        return answer

    one = complete("The capital of France is")
    several = complete(["The capital of France is", "Two and two is"])
    *chunks, last = complete("The capital of France is", stream=True, stream_options={"include_usage": True})
    journey.note(last.usage)

    assert "Paris" in one.choices[0].text
    assert [choice.index for choice in several.choices] == [0, 1]
    assert several.choices[0].text == one.choices[0].text
    assert several.usage.completion_tokens == 12
    assert "".join(chunk.choices[0].text for chunk in chunks) == one.choices[0].text


def test_what_is_sent_again_is_cached(journey: Journey) -> None:
    long = "The moon goes round the earth, and the earth goes round the sun. " * 12
    for question in (long, long):
        answer = journey.ask(question, max_tokens=1)
    assert answer.usage.prompt_tokens_details.cached_tokens > 100


def test_responses_whole_streamed_in_a_schema_and_continued(journey: Journey) -> None:
    def respond(question: str, **options: Any) -> Any:
        options = {"temperature": 0, "max_output_tokens": 40, **options}
        made = journey.client.responses.create(model=journey.model, input=question, **options)
        events = list(made) if options.get("stream") else []
        answer = events[-1].response if events else made
        journey.note_response(answer.usage)
        assert "".join(event.delta for event in events if event.type == "response.output_text.delta") in (
            *("", answer.output_text),
        )
        return answer

    whole, streamed = respond(CAPITAL), respond(CAPITAL, stream=True)
    assert "Paris" in whole.output_text
    assert (whole.status, whole.model) == ("completed", journey.model)
    assert (streamed.status, streamed.output_text) == ("completed", whole.output_text)
    assert respond(CAPITAL, max_output_tokens=3, stream=True).status == "incomplete"
    schema = {"type": "json_schema", "name": "city", "strict": True, "schema": CITY}
    found = json.loads(respond(CAPITAL, text={"format": schema}, max_output_tokens=80).output_text)
    assert found["city"] in CITY["properties"]["city"]["enum"]

    again = respond("What did I ask? Repeat it.", previous_response_id=whole.id)
    assert again.usage.input_tokens > whole.usage.input_tokens + whole.usage.output_tokens
    assert journey.client.responses.retrieve(again.id).output_text == again.output_text


def test_a_response_in_the_background(journey: Journey) -> None:
    asked: dict[str, Any] = {"model": journey.model, "input": CAPITAL, "temperature": 0, "max_output_tokens": 40}
    begun = journey.client.responses.create(**asked, background=True)
    assert begun.status == "queued"
    until(lambda: journey.client.responses.retrieve(begun.id).status not in ("queued", "in_progress"), seconds=60)
    done = journey.client.responses.retrieve(begun.id)
    foreground = journey.client.responses.create(**asked)
    for answer in (done, foreground):
        assert answer.usage
        journey.note_response(answer.usage)
    assert (done.status, done.output_text) == ("completed", foreground.output_text)


def test_embeddings_as_numbers_and_in_base64(platform: EnginePlatform, journey: Journey) -> None:
    texts = ["The moon is bright tonight.", "Tonight there is a bright moon.", "The invoice is overdue."]
    create, model = journey.client.embeddings.create, platform.facts["embedding_model"]
    answers = [create(model=model, input=texts, encoding_format="float"), create(model=model, input=texts)]
    for answer in answers:
        spent = Tokens(input=answer.usage.prompt_tokens)
        journey.requests += 1
        journey.billed += spent
        journey.elsewhere += spent
    floats, base64 = ([item.embedding for item in answer.data] for answer in answers)
    similar, different = (sum(a * b for a, b in zip(floats[0], other, strict=True)) for other in floats[1:])

    assert [len(vector) for vector in floats] == [384, 384, 384]
    assert base64[0] == pytest.approx(floats[0], abs=1e-6)
    assert similar > 0.8 > 0.3 > different


def test_four_streams_at_once(journey: Journey) -> None:
    with ThreadPoolExecutor(4) as pool:
        streams = list(pool.map(lambda word: journey.stream(f"What is a {word}?", max_tokens=16), "abcd"))
    assert all(text_of(chunks) and finish_of(chunks) for chunks in streams)


def test_anthropics_client_gets_the_same_answer(platform: EnginePlatform, journey: Journey) -> None:
    question = [{"role": "user", "content": CAPITAL}]
    asked: dict[str, Any] = {"model": journey.model, "max_tokens": 40, "messages": question}
    with anthropic.Anthropic(base_url=platform.base_url, api_key=journey.client.api_key, timeout=120) as client:
        whole = client.messages.create(**asked, extra_body={"temperature": 0})
        with client.messages.stream(**asked, extra_body={"temperature": 0}) as stream:
            events = [event.type for event in stream]
            streamed = stream.get_final_message()
        stopped = client.messages.create(**asked, stop_sequences=["France"], extra_body={"temperature": 0})
        counted = client.messages.count_tokens(model=journey.model, messages=question)  # type: ignore[arg-type]
    for message in (whole, streamed, stopped):
        journey.note_message(message.usage)

    assert whole.content[0].text == streamed.content[0].text == journey.ask(CAPITAL).choices[0].message.content
    assert (whole.model, whole.stop_reason) == (streamed.model, streamed.stop_reason) == (journey.model, "end_turn")
    assert (events[0], events[-1]) == ("message_start", "message_stop")
    assert stopped.content[0].text == "The capital of "
    assert tokens_of_message(whole.usage) == Tokens(counted.input_tokens, tokens_of_message(whole.usage).cached, 8)


def test_what_an_engine_refuses_is_the_callers_400(platform: EnginePlatform, journey: Journey) -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    with pytest.raises(openai.BadRequestError) as long:
        journey.ask("moon " * 3000)
    with pytest.raises(openai.BadRequestError) as streamed:
        journey.stream("moon " * 3000)
    with pytest.raises(openai.BadRequestError) as completion:
        journey.client.completions.create(model=journey.model, prompt="moon " * 3000, max_tokens=5)
    with pytest.raises(openai.BadRequestError) as blind:
        journey.client.chat.completions.create(
            model=journey.model, messages=[{"role": "user", "content": [picture]}], max_tokens=5
        )

    assert long.value.code == streamed.value.code == completion.value.code == "context_length_exceeded"
    assert (long.value.param, completion.value.param) == ("messages", "prompt")
    assert blind.value.type == "invalid_request_error"
    assert journey.ask(CAPITAL).choices, "what a caller did wrong is not held against the engine"


def test_the_bill_is_the_sum_of_the_answers_and_what_the_engine_counted(
    platform: EnginePlatform, journey: Journey
) -> None:
    refused = 4  # they are on the record, and cost nothing
    totals = platform.settled_usage(journey.key_id, requests=journey.requests + refused)
    until(lambda: platform.counted() - journey.began == journey.billed - journey.elsewhere)

    assert journey.requests > 20
    assert totals["failed_requests"] == refused
    assert Tokens(totals["input_tokens"], totals["cached_input_tokens"], totals["output_tokens"]) == journey.billed
    assert totals["cost_nano_usd"] > 0


def test_a_caller_who_hangs_up_pays_for_what_came_and_frees_the_engine(platform: EnginePlatform) -> None:
    key = platform.create_key()
    before = platform.counted()
    with platform.client(key["key"]) as client:
        stream = client.chat.completions.create(
            model=platform.facts["model"],
            messages=[{"role": "user", "content": "Write a very long story about the moon and the sea."}],
            temperature=0,
            max_tokens=1500,
            stream=True,
        )
        chunks = [chunk for chunk, _ in zip(stream, range(10), strict=False)]
        assert all(chunk.usage is None for chunk in chunks), "the caller asked for no usage"
        stream.close()
    until(platform.is_idle, seconds=5)
    totals = platform.settled_usage(key["id"], requests=1)

    made = (platform.counted() - before).output
    assert len(chunks) - 1 <= totals["output_tokens"] <= made + 1
    assert made < 1000
    assert totals["input_tokens"] > 0


def test_a_killed_engine_is_started_again(platform: EnginePlatform) -> None:
    if platform.engine is VLLM:
        pytest.skip("vLLM takes a minute to start again; what starts it is the same")
    body = {
        "model": platform.facts["model"],
        "messages": [{"role": "user", "content": CAPITAL}],
        "max_tokens": 5,
    }
    platform.kill_engine()
    deadline = time.monotonic() + 60
    statuses = []
    while not statuses or statuses[-1] != 200:
        answer = platform.post("/v1/chat/completions", json=body)
        statuses.append(answer.status_code)
        if answer.status_code != 200:
            assert answer.status_code == 503
            assert answer.json()["error"]["code"] == "model_unavailable"
            assert int(answer.headers["Retry-After"]) >= 1
        assert time.monotonic() < deadline, platform.run_log()
        time.sleep(0.2)
    assert "ended with SIGKILL; starting again" in platform.run_log()
