"""OpenAI's client for JavaScript, through a real socket: what its users get, and what they catch."""

import json
import os
import subprocess
from typing import Any

import pytest

from artemis_site.tests import npm
from artemis_site.tests.desk import Desk
from artemis_site.tests.errands import Key
from artemis_site.tests.messages import numbered
from artemis_site.tests.platform import EMBEDDING_MODEL, MODEL, SMALL_MODEL, Platform

RUN_SECONDS = 30


@pytest.fixture(scope="module", autouse=True)
def _installed() -> None:
    npm.install()


def run(platform: Platform, script: str, key: Key, **more: str) -> Any:
    """What the script tells."""
    names = {
        "ARTEMIS_BASE_URL": f"{platform.base_url}/v1",
        "ARTEMIS_API_KEY": key.secret,
        "ARTEMIS_MODEL": MODEL,
        "ARTEMIS_EMBEDDING_MODEL": EMBEDDING_MODEL,
        **more,
    }
    done = subprocess.run(
        ["node", f"{script}.mjs"],
        cwd=npm.FOLDER,
        env={"PATH": os.environ["PATH"], **names},
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
        check=False,
    )
    assert not done.returncode, done.stderr
    return json.loads(done.stdout)


def test_the_lock_names_no_registry() -> None:
    packages = json.loads((npm.SCRIPTS / "package-lock.json").read_text())["packages"]
    assert all(package["integrity"].startswith("sha512-") for path, package in packages.items() if path)
    assert not any("resolved" in package for package in packages.values())


def test_chat(platform: Platform, key: Key) -> None:
    told = run(platform, "chat", key)

    whole, chunks = told["whole"], told["chunks"]
    assert whole["model"] == MODEL
    assert whole["choices"][0]["message"]["content"] == numbered(5)
    assert (whole["choices"][0]["finish_reason"], whole["usage"]["completion_tokens"]) == ("length", 5)
    assert told["requestId"].startswith("req_")
    assert told["deployment"] == "moon-a"
    assert "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks[:-1]) == numbered(5)
    assert (chunks[-1]["choices"], chunks[-1]["usage"]["completion_tokens"]) == ([], 5)
    assert told["joined"] == [{"index": index, "text": numbered(5), "tokens": 5} for index in (0, 1)]


def test_tools_and_structured_output(platform: Platform, key: Key) -> None:
    platform.primary.script(times=2, tool_call=True)
    told = run(platform, "tools", key)

    assert told["reason"] == "tool_calls"
    assert told["whole"] == {"name": "look_up", "arguments": '{"word": "fake engine"}'}
    assert (told["streamed"]["name"], json.loads(told["streamed"]["arguments"])) == ("look_up", {"word": "fake engine"})
    assert told["after"] == numbered(5)
    assert told["structured"] == told["parsed"] == {"city": "fake engine"}


def test_embeddings(platform: Platform, key: Key) -> None:
    told = run(platform, "embeddings", key)

    assert told["lengths"] == [[384, 384], [384, 384], [8], [384, 384]]
    assert told["furthest"] < 1e-6
    assert told["usage"]["prompt_tokens"] == told["usage"]["total_tokens"] == 2


def test_models(platform: Platform, key: Key) -> None:
    told = run(platform, "models", key)

    assert {MODEL, EMBEDDING_MODEL, SMALL_MODEL} <= set(told["names"])
    assert (told["one"]["id"], told["one"]["object"], told["other"]["kind"]) == (MODEL, "model", "embedding")


def test_responses(platform: Platform, key: Key) -> None:
    platform.primary.script(times=2)
    platform.primary.script(times=1, tool_call=True)
    told = run(platform, "responses", key)

    assert told["whole"] == told["final"] == told["read"] == numbered(16)
    assert (told["types"][0], told["types"][-1]) == ("response.created", "response.completed")
    assert told["types"].count("response.output_text.delta") == 16
    assert told["calls"] == [{"name": "look_up", "given": '{"word": "fake engine"}'}]
    assert told["structured"] == {"city": "fake engine"}
    assert told["next"] is True
    assert told["gone"] == 404


def test_a_streamed_response_calls_a_function(platform: Platform, key: Key) -> None:
    platform.primary.script(times=1, tool_call=True)
    told = run(platform, "streaming", key)

    assert (told["events"][0], told["events"][-1]) == ("response.created", "response.completed")
    assert "response.output_item.added" in told["events"]
    assert told["events"].count("response.function_call_arguments.done") == 1
    assert json.loads(told["given"]) == {"word": "fake engine"}
    assert told["call"] == {"name": "look_up", "arguments": told["given"], "status": "completed"}
    assert told["said"] == told["after"] == numbered(16)
    assert told["continues"] and told["items"] == ["function_call_output"]
    assert told["inOrder"]


def test_files_and_batches(platform: Platform, key: Key) -> None:
    told = run(platform, "batches", key)

    assert told["same"] and told["listed"] and told["found"] and told["deleted"]
    assert (told["begun"], told["status"]) == ("validating", "completed")
    assert told["counts"] == {"total": 2, "completed": 2, "failed": 0}
    assert told["metadata"] == {"run": "night"}
    assert told["answers"] == {"first": numbered(5), "second": numbered(5)}
    assert told["cancelled"] in ("cancelling", "cancelled", "batch_not_cancellable")
    assert told["gone"] == {"status": 404, "code": "file_not_found"}


def test_errors_are_the_clients_own_exceptions(platform: Platform, desk: Desk, key: Key) -> None:
    platform.primary.script(match="cut", cut_after=3)
    slow = desk.key(rpm_limit=1)
    told = run(platform, "errors", key, ARTEMIS_SLOW_KEY=slow.secret, ARTEMIS_CUT_MODEL=SMALL_MODEL)

    found = {name: (error["kind"], error["status"], error["code"], error["param"]) for name, error in told.items()}
    assert found == {
        "unauthenticated": ("AuthenticationError", 401, "invalid_api_key", None),
        "unknownModel": ("NotFoundError", 404, "model_not_found", "model"),
        "unknownField": ("BadRequestError", 400, "unknown_parameter", "ignore_eos"),
        "outOfBounds": ("BadRequestError", 400, "invalid_value", "temperature"),
        "tooMany": ("RateLimitError", 429, "rate_limit_exceeded", None),
        "withinAStream": ("APIError", None, "engine_failed", None),
    }
    assert all(told[name]["requestId"].startswith("req_") for name in told if name != "withinAStream")
    assert int(told["tooMany"]["retryAfter"]) >= 1
