"""What the tests of Anthropic's dialect have in common: a question, its price, and the official client."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import anthropic
import httpx
import pytest

from artemis_site.tests.desk import Desk
from artemis_site.tests.errands import Key
from artemis_site.tests.platform import CLAUDE, MODEL, SMALL_MODEL, Platform, models_yaml

PROMPT = "Tell me of the moon."
PROMPT_TOKENS = 8
ASKED: dict[str, Any] = {"model": MODEL, "max_tokens": 8, "messages": [{"role": "user", "content": PROMPT}]}
# Nano-dollars a token: input, cached input, output.
PRICES = {MODEL: (1000, 100, 2000), SMALL_MODEL: (1000, 100, 2000), CLAUDE: (1000, 100, 5000)}
TOOL = {
    "name": "look_up",
    "description": "Looks something up",
    "input_schema": {"type": "object", "properties": {"word": {"type": "string"}}, "required": ["word"]},
}
ADDRESS = re.compile(r"127\.0\.0\.1|localhost|http")
TRANSLATED = "moon-translated"


@contextmanager
def client_of(platform: Platform, secret: str) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=platform.base_url, api_key=secret, max_retries=0, timeout=30) as client:
        yield client


def load_engine(platform: Platform, name: str, **info: Any) -> None:
    """One more model like `moon-small`; `info`: what is said of its deployment besides."""
    document = json.loads(models_yaml(platform.primary, platform.second, platform.claude))
    entry = next(entry for entry in document["model_list"] if entry["model_name"] == SMALL_MODEL)
    entry["model_name"] = name
    entry["model_info"] |= {"id": name, **info}
    file = platform.home / f"{name}.yaml"
    file.write_text(json.dumps({"model_list": [entry]}))
    platform.manage("load_models", str(file))


def numbered(count: int) -> str:
    return " ".join(f"fake engine token {number}" for number in range(1, count + 1))


def text_of(message: Any) -> str:
    return "".join(block.text for block in message.content if block.type == "text")


def ask(client: anthropic.Anthropic, *, stream: bool, **fields: Any) -> Any:
    """The whole message, however it came."""
    if not stream:
        return client.messages.create(**ASKED | fields)
    with client.messages.stream(**ASKED | fields) as events:
        return events.get_final_message()


def assert_billed(
    desk: Desk, key: Key, *, model: str = MODEL, deployment: str, output: int = 8, cached: int = 0
) -> None:
    (request,) = desk.bill(key, requests=1).requests
    for_input, for_cached, for_output = PRICES[model]
    assert (request.outcome, request.endpoint, request.estimated) == ("completed", "messages", False)
    assert (request.model, request.deployment) == (model, deployment)
    assert (request.input_tokens, request.cached_input_tokens) == (PROMPT_TOKENS, cached)
    assert request.output_tokens == output
    cost = (PROMPT_TOKENS - cached) * for_input + cached * for_cached + output * for_output
    assert request.cost == cost


whole_and_streamed = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])


def assert_refused(answer: Any, status: int, kind: str, code: str | None = None) -> dict[str, Any]:
    """The error of an answer in Anthropic's envelope."""
    found: dict[str, Any] = json.loads(answer.content if isinstance(answer, httpx.Response) else answer.body)
    assert (answer.status_code if isinstance(answer, httpx.Response) else answer.status) == status, found
    assert (found["type"], found["error"]["type"]) == ("error", kind)
    assert found["request_id"] == answer.headers["request-id"] == answer.headers["x-request-id"]
    if code:
        assert found["error"]["code"] == found["error"]["details"]["error_code"] == code
    error: dict[str, Any] = found["error"]
    return error
