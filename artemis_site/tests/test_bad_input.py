"""What callers must not send: each case gets the right 4xx in OpenAI's envelope, at once, and no key in any log."""

import gzip
import json
import re
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from secrets import token_hex
from typing import Any

import httpx
import openai
import pytest

from apps.keys.tokens import new_token
from artemis_site.tests.desk import Desk
from artemis_site.tests.errands import disable_key, give_model, make_account, make_project, revoke_key
from artemis_site.tests.platform import EMBEDDING_MODEL, MODEL, RERANK_MODEL, SMALL_MODEL, Platform, models_yaml
from artemis_site.tests.wire import WireAnswer, exchange, request_bytes

CHAT: dict[str, Any] = {"model": MODEL, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 5}
EMBED: dict[str, Any] = {"model": EMBEDDING_MODEL, "input": "Hello"}
GOOD: dict[str, dict[str, Any]] = {
    "/v1/completions": {"model": MODEL, "prompt": "Hello", "max_tokens": 5},
    "/v1/responses": {"model": MODEL, "input": "Hello", "max_output_tokens": 16},
    "/v1/embeddings": EMBED,
    "/v1/rerank": {"model": RERANK_MODEL, "query": "Hello", "documents": ["a", "b"]},
    "/v1/messages": CHAT,
}
BATCH: dict[str, Any] = {
    "input_file_id": "file-of-nobody",
    "endpoint": "/v1/chat/completions",
    "completion_window": "24h",
}
FOREIGN_MODEL = "only-for-others"
JUNK_KEY = "sk-art-0000000000000000000000000000000000000000000000junk"
TOO_LARGE = 11 * 2**20
SECONDS = 1.0


@dataclass(frozen=True)
class Case:
    """A request that is refused. `fields` are added to a good request; `raw` replaces its body."""

    name: str
    status: int = 400
    code: str | None = None
    param: str | None = None
    fields: dict[str, Any] = field(default_factory=dict)
    raw: bytes | None = None
    key: str | None = "good"
    method: str = "POST"
    path: str = "/v1/chat/completions"
    headers: tuple[tuple[str, str | bytes], ...] = ()
    content_type: str = "application/json"

    @property
    def body(self) -> bytes:
        if self.raw is not None:
            return self.raw
        return json.dumps(GOOD.get(self.path, CHAT) | self.fields).encode()


def with_number(number: str) -> bytes:
    return json.dumps(CHAT | {"temperature": "?"}).replace('"?"', number).encode()


def dumped(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields).encode()


def with_messages(count: int) -> bytes:
    return b'{"model":"moon","messages":[' + b",".join([b'{"role":"user","content":"x"}'] * count) + b"]}"


def with_tools(count: int) -> bytes:
    tools = b",".join([b'{"type":"function","function":{"name":"look"}}'] * count)
    return json.dumps(CHAT).encode()[:-1] + b',"tools":[' + tools + b"]}"


def bearer(value: str | bytes) -> tuple[tuple[str, str | bytes], ...]:
    return (("Authorization", value),)


UNAUTHENTICATED = [
    Case("no key", 401, "missing_api_key", key=None),
    Case("key in the query", 401, "missing_api_key", key=None, path="/v1/chat/completions?api_key={good}"),
    Case("empty header", 401, "missing_api_key", key=None, headers=bearer("")),
    Case("bearer without key", 401, "invalid_api_key", key=None, headers=bearer("Bearer ")),
    Case("key without bearer", 401, "invalid_api_key", key=None, headers=bearer("{good}")),
    Case("two spaces", 401, "invalid_api_key", key=None, headers=bearer("Bearer  {good}")),
    Case("Basic", 401, "invalid_api_key", key=None, headers=bearer("Basic {good}")),
    Case("two headers", 401, "invalid_api_key", key=None, headers=bearer("Bearer {good}") + bearer("Bearer x")),
    Case("two equal headers", 401, "invalid_api_key", key=None, headers=bearer("Bearer {good}") * 2),
    Case("quotes", 401, "invalid_api_key", key=None, headers=bearer('Bearer "{good}"')),
    Case("10 kB key", 401, "invalid_api_key", key=None, headers=bearer("Bearer sk-art-" + "a" * 10_240)),
    Case("not ASCII", 401, "invalid_api_key", key=None, headers=bearer("Bearer {good}é".encode())),
    Case("full-width digits", 401, "invalid_api_key", key=None, headers=bearer("Bearer sk-art-\uff11".encode())),
    Case("injection", 401, "invalid_api_key", key=None, headers=bearer("Bearer ' OR 1=1; --")),
    Case("junk key", 401, "invalid_api_key", key="junk"),
    Case("unknown key", 401, "invalid_api_key", key="unknown"),
    Case("revoked key", 401, "invalid_api_key", key="revoked"),
    Case("expired key", 401, "api_key_expired", key="expired"),
    Case("disabled key", 401, "api_key_disabled", key="disabled"),
    Case("junk x-api-key", 401, "invalid_api_key", key=None, headers=(("x-api-key", JUNK_KEY),)),
    Case("10 kB x-api-key", 401, "invalid_api_key", key=None, headers=(("x-api-key", "a" * 10_240),)),
    Case("two x-api-keys", 401, "invalid_api_key", key=None, headers=(("x-api-key", "{good}"),) * 2),
    Case("another x-api-key", 401, "invalid_api_key", headers=(("x-api-key", JUNK_KEY),)),
    Case("no key for the models", 401, "missing_api_key", key=None, method="GET", path="/v1/models"),
    Case("revoked key for the models", 401, "invalid_api_key", key="revoked", method="GET", path="/v1/models"),
]
NOT_JSON = [
    Case("not JSON", code="invalid_json", raw=b"model=moon&messages=hello"),
    Case("empty body", code="invalid_json", raw=b""),
    Case("list", code="invalid_json", raw=b"[]"),
    Case("string", code="invalid_json", raw=b'"moon"'),
    Case("number", code="invalid_json", raw=b"5"),
    Case("null", code="invalid_json", raw=b"null"),
    Case("two objects", code="invalid_json", raw=b'{"model":"moon"}{"model":"moon"}'),
    Case("trailing comma", code="invalid_json", raw=b'{"model":"moon",}'),
    Case("NaN", code="invalid_json", raw=with_number("NaN")),
    Case("Infinity", code="invalid_json", raw=with_number("Infinity")),
    Case("-Infinity", code="invalid_json", raw=with_number("-Infinity")),
    Case("1e400", code="invalid_json", raw=with_number("1e400")),
    Case("5,000 digits", code="invalid_json", raw=with_number("1" * 5000)),
    Case("10,000 brackets", code="invalid_json", raw=b"[" * 10_000 + b"]" * 10_000),
    Case("100,000 brackets", code="invalid_json", raw=b"[" * 100_000 + b"]" * 100_000),
    Case("100,000 objects", code="invalid_json", raw=b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
    Case("100,000 open brackets", code="invalid_json", raw=b"[" * 100_000),
    Case("9 MB of brackets", code="invalid_json", raw=b'{"messages":[' + b"[]," * 3_000_000 + b"[]]}"),
    Case("6 MB of commas", code="invalid_json", raw=b'{"messages":[' + b"1," * 3_000_000 + b"1]}"),
    Case("9 MB of texts", code="invalid_json", raw=b'{"messages":[' + b'"",' * 3_000_000 + b'""]}'),
    Case(
        "400,000 fractions", code="invalid_json", raw=b'{"messages":[' + b"1.2345678901234567e-300," * 400_000 + b"1]}"
    ),
    Case("2,000 numbers of 4,000 digits", code="invalid_json", raw=b"[" + (b"7" * 4000 + b",") * 2000 + b"7]"),
    Case(
        "800 levels in a message",
        raw=json.dumps(CHAT | {"messages": [{"role": "user", "content": ["?"]}]})
        .replace('"?"', "[" * 800 + "]" * 800)
        .encode(),
    ),
    Case("invalid UTF-8", code="invalid_json", raw=b'{"model":"moon","messages":"\xff"}'),
    Case("an encoded surrogate", code="invalid_json", raw=b'{"model":"moon","messages":"\xed\xa0\x80"}'),
    Case("a lone surrogate", code="invalid_json", raw=b'{"model":"moon","messages":"\\ud800"}'),
    Case("UTF-16", code="invalid_json", raw=json.dumps(CHAT).encode("utf-16")),
    Case("UTF-16 without a mark", code="invalid_json", raw=json.dumps(CHAT).encode("utf-16-le")),
    Case("byte-order mark", code="invalid_json", raw=b"\xef\xbb\xbf" + json.dumps(CHAT).encode()),
    Case("a raw NUL", code="invalid_json", raw=json.dumps(CHAT).encode().replace(b"Hello", b"Hel\0lo")),
    Case("an escaped NUL", code="invalid_json", fields={"messages": [{"role": "user", "content": "Hel\0lo"}]}),
    Case("NUL in a user's name", code="invalid_json", fields={"user": "a\0b"}),
    Case("duplicate keys", code="invalid_json", raw=b'{"model":"moon",' + json.dumps(CHAT).encode()[1:]),
    Case(
        "duplicate keys, nested",
        code="invalid_json",
        raw=json.dumps(CHAT).encode().replace(b'"role": "user"', b'"role":"system","role":"user"'),
    ),
    Case(
        "duplicate keys, one escaped",
        code="invalid_json",
        raw=json.dumps(CHAT).encode().replace(b'"model": "moon"', b'"model":"\\u003a","mod\\u0065l" : "moon"'),
    ),
]
TRANSPORT = [
    Case("11 MB", 413, "request_too_large", raw=json.dumps(CHAT).encode() + b" " * TOO_LARGE),
    Case(
        "chunked, 11 MB",
        413,
        "request_too_large",
        raw=b"100000\r\n" + b" " * 2**20 + (b"\r\n100000\r\n" + b" " * 2**20) * 10 + b"\r\n0\r\n\r\n",
        headers=(("Transfer-Encoding", "chunked"),),
    ),
    Case("50 MB", 413, "request_too_large", raw=json.dumps(CHAT).encode() + b" " * 50 * 2**20),
    Case("a million messages", 413, "request_too_large", raw=with_messages(1_000_000)),
    Case("100,000 messages", code="invalid_json", raw=with_messages(100_000)),
    Case("100,000 tools", code="invalid_json", raw=with_tools(100_000)),
    Case("80 kB of headers", 431, "headers_too_large", headers=(("X-Large", "x" * 80_000),)),
    Case("1,000 headers", 431, "headers_too_large", headers=tuple((f"X-{n}", "x") for n in range(1000))),
    Case("a header 1,000 times", 431, "headers_too_large", headers=(("X-Same", "x"),) * 1000),
    Case("no content type", 415, "unsupported_media_type", content_type=""),
    Case("a form", 415, "unsupported_media_type", content_type="application/x-www-form-urlencoded"),
    Case("text", 415, "unsupported_media_type", content_type="text/plain"),
    Case(
        "compressed",
        415,
        "unsupported_media_type",
        raw=gzip.compress(json.dumps(CHAT).encode()),
        headers=(("Content-Encoding", "gzip"),),
    ),
    Case("compressed otherwise", 415, "unsupported_media_type", headers=(("Content-Encoding", "br"),)),
    Case("compressed twice", 415, "unsupported_media_type", headers=(("Content-Encoding", "identity, gzip"),)),
    Case("GET", 405, "method_not_allowed", method="GET"),
    Case("PUT", 405, "method_not_allowed", method="PUT"),
    Case("OPTIONS", 405, "method_not_allowed", method="OPTIONS"),
    Case("PROPFIND", 405, "method_not_allowed", method="PROPFIND"),
    Case("POST to the models", 405, "method_not_allowed", path="/v1/models"),
    Case("wrong path", 404, "not_found", path="/v1/chat"),
    Case("the plane itself", 404, "not_found", path="/v1"),
    Case("trailing slash", 404, "not_found", path="/v1/chat/completions/"),
    Case("two slashes", 404, "not_found", path="//v1/chat/completions"),
    Case("capitals", 404, "not_found", method="GET", path="/V1/models"),
    Case("semicolon", 404, "not_found", path="/v1/chat/completions;x"),
    Case("encoded dots before", 404, path="/v1/%2e%2e/v1/chat/completions"),
    Case("an encoded slash", 404, path="/v1/chat%2fcompletions%00"),
    Case("dots", 404, "not_found", path="/v1/../v1/chat/completions"),
    Case("encoded dots", 404, "model_not_found", method="GET", path="/v1/models/..%2f..%2fhealthz"),
    Case("unknown model's card", 404, "model_not_found", method="GET", path="/v1/models/mars"),
]
NESTED = [{"role": "user", "content": "Hello", "foo": 1}]
TOOL = {"type": "function", "function": {"name": "look"}}
UNKNOWN = [
    Case(f"unknown {name or 'nameless'}", code="unknown_parameter", param=name, fields={name: value})
    for name, value in {
        "foo": 1,
        "": 1,
        "api_base": "http://169.254.169.254",
        "base_url": "http://169.254.169.254",
        "api_key": "x",
        "mock_response": "x",
        "fallbacks": ["x"],
        "user_config": {},
        "chat_template": "{{ x }}",
        "prompt_embeds": "x",
        "ignore_eos": True,
        "bad_words": ["x"],
        "allowed_token_ids": [1],
        "prompt_logprobs": 1,
        "media_io_kwargs": {},
        "guided_regex": ".*",
        "extra_body": {},
        "timeout": 1,
        "metadata_": None,
    }.items()
] + [
    Case(f"unknown {param}", code="unknown_parameter", param=param, fields=fields)
    for param, fields in {
        "chat_template_kwargs.foo": {"chat_template_kwargs": {"foo": 1}},
        "messages[0].foo": {"messages": NESTED},
        "messages[0].content[0].foo": {
            "messages": [{"role": "user", "content": [{"type": "text", "text": "Hello", "foo": 1}]}]
        },
        "messages[0].tool_calls[0].foo": {
            "messages": [
                {
                    "role": "assistant",
                    "tool_calls": [
                        {
                            "id": "1",
                            "type": "function",
                            "function": {"name": "a", "arguments": "{}"},
                            "foo": 1,
                        }
                    ],
                }
            ]
        },
        "stream_options.foo": {"stream": True, "stream_options": {"foo": 1}},
        "response_format.foo": {"response_format": {"type": "text", "foo": 1}},
        "tools[0].foo": {"tools": [TOOL | {"foo": 1}]},
        "tools[0].function.foo": {"tools": [{"type": "function", "function": {"name": "a", "foo": 1}}]},
    }.items()
]
MODELS = [
    Case("no model", code="missing_required_parameter", param="model", fields={"model": None}),
    Case("unknown model", 404, "model_not_found", "model", {"model": "mars"}),
    Case("model of another account", 404, "model_not_found", "model", {"model": FOREIGN_MODEL}),
    Case("model that is a list", code="missing_required_parameter", param="model", fields={"model": ["moon"]}),
    Case("a 1 MB model", 404, "model_not_found", "model", {"model": "m" * 2**20}),
    Case("embedding model for chat", 400, "invalid_value", "model", {"model": EMBEDDING_MODEL}),
    Case("chat model for embeddings", 400, param="model", fields={"model": MODEL}, path="/v1/embeddings"),
]
OUT_OF_BOUNDS = [
    Case(f"{name} = {json.dumps(value)[:20]}", param=name.partition(".")[0], fields={name: value})
    for name, value in [
        ("max_tokens", -1),
        ("max_tokens", 0),
        ("max_tokens", "5"),
        ("max_tokens", True),
        ("max_tokens", 1.5),
        ("max_tokens", 2**40),
        ("max_tokens", 10**30),
        ("max_completion_tokens", -1),
        ("temperature", 3),
        ("temperature", -1),
        ("temperature", "0.5"),
        ("temperature", True),
        ("top_p", 2),
        ("top_k", [1]),
        ("n", 0),
        ("n", 1000),
        ("n", "1"),
        ("seed", 10**30),
        ("stream", "true"),
        ("stream", 1),
        ("stop", ["a", "b", "c", "d", "e"]),
        ("stop", ""),
        ("stop", [""]),
        ("stop", [1]),
        ("logit_bias", {str(token): 1 for token in range(301)}),
        ("logit_bias", {"5": 101}),
        ("tools", [TOOL] * 129),
        ("tools", [{"type": "code_interpreter"}]),
        ("messages", None),
        ("messages", []),
        ("messages", "Hello"),
        ("messages", [{"role": "moon", "content": "Hello"}]),
        ("messages", [{"content": "Hello"}]),
        ("messages", [{"role": "user", "content": 5}]),
        ("top_logprobs", 21),
        ("stream_options", {"include_usage": True}),
        ("response_format", {"type": "json_schema"}),
        ("response_format", {"type": "xml"}),
        ("user", "u" * 121),
    ]
] + [
    Case("both limits", param="max_tokens", fields={"max_tokens": 5, "max_completion_tokens": 5}),
    *(
        Case(f"input = {json.dumps(value)[:20]}", param="input", fields={"input": value}, path="/v1/embeddings")
        for value in (None, "", [], [""], ["a", ""], ["a", 1], [[]], [1, [1]], [True], [-1], ["a"] * 2049, {})
    ),
    Case("float as text", param="encoding_format", fields={"encoding_format": "x"}, path="/v1/embeddings"),
]
NESTED_SCHEMA = json.loads('{"items":' * 65 + "{}" + "}" * 65)
SCHEMAS = [
    Case(f"a schema {name}", param="response_format.json_schema.schema", fields={"response_format": chosen})
    for name, schema in {
        "65 levels deep": NESTED_SCHEMA,
        "of 10,000 values": {"enum": list(range(10_000))},
        "that is remote": {"$ref": "http://169.254.169.254/schema"},
        "that is recursive": {"properties": {"child": {"$ref": "#"}}},
        "with a long pattern": {"type": "string", "pattern": "(a+)+" * 300},
    }.items()
    for chosen in ({"type": "json_schema", "json_schema": {"name": "x", "schema": schema}},)
]
ELSEWHERE = [
    case
    for path, good in GOOD.items()
    for case in (
        Case(f"no key: {path}", 401, "missing_api_key", key=None, path=path),
        Case(f"a revoked key: {path}", 401, "invalid_api_key", key="revoked", path=path),
        Case(f"not JSON: {path}", code="invalid_json", raw=b"model=moon", path=path),
        Case(f"duplicate keys: {path}", code="invalid_json", raw=b'{"model":"x",' + dumped(good)[1:], path=path),
        Case(f"NaN: {path}", code="invalid_json", raw=dumped(good)[:-1] + b',"user":NaN}', path=path),
        Case(f"a form: {path}", 415, "unsupported_media_type", content_type="multipart/form-data", path=path),
        Case(f"GET: {path}", 405, "method_not_allowed", method="GET", path=path),
        Case(f"11 MB: {path}", 413, "request_too_large", raw=dumped(good) + b" " * TOO_LARGE, path=path),
        Case(f"no model: {path}", 400, "missing_required_parameter", "model", {"model": None}, path=path),
        Case(f"a foreign model: {path}", 404, "model_not_found", "model", {"model": FOREIGN_MODEL}, path=path),
        *(
            Case(f"unknown {name}: {path}", 400, "unknown_parameter", name, {name: "x"}, path=path)
            for name in ("foo", "api_base", "api_key", "mock_response", "fallbacks", "chat_template", "prompt_embeds")
        ),
        Case(f"a long user: {path}", param="user", fields={"user": "u" * 121}, path=path),
    )
] + [
    Case(f"{path} {name} = {json.dumps(value)[:20]}", param=name, fields={name: value}, path=path)
    for path, name, value in [
        *(("/v1/completions", "prompt", value) for value in (None, [], 5, ["a", 1], [[]], ["a"] * 2049, {})),
        *(("/v1/completions", "max_tokens", value) for value in (-1, "5", True, 1.5, 2**40)),
        *(("/v1/completions", "n", value) for value in (0, 17, "1")),
        *(("/v1/completions", "best_of", value) for value in (0, 17)),
        *(("/v1/completions", "stop", value) for value in ("", [""], ["a", "b", "c", "d", "e"])),
        ("/v1/completions", "logprobs", 6),
        ("/v1/completions", "logprobs", True),
        ("/v1/completions", "logit_bias", {str(token): 1 for token in range(301)}),
        ("/v1/completions", "echo", "yes"),
        ("/v1/completions", "stream_options", {"include_usage": True}),
        *(("/v1/embeddings", "dimensions", value) for value in (0, 1.5, "5", 2**20)),
        *(("/v1/responses", "input", value) for value in (None, [], 5, [5], [{"type": "moon"}], {})),
        *(("/v1/responses", "max_output_tokens", value) for value in (0, "5", True, 2**40)),
        *(("/v1/responses", "temperature", value) for value in (3, "1", True)),
        *(("/v1/responses", "tools", value) for value in ([{"type": "web_search"}], [{"type": "mcp"}], "x")),
        *(("/v1/responses", "background", value) for value in ("true", 1, [], {})),
        ("/v1/responses", "metadata", {"a": "b" * 513}),
        ("/v1/responses", "top_logprobs", 21),
        ("/v1/responses", "text", {"format": {"type": "json_schema", "name": "x", "schema": NESTED_SCHEMA}}),
        ("/v1/responses", "input", [{"role": "user", "content": [{"type": "input_image", "image_url": "file:///x"}]}]),
    ]
]
RERANK = [
    Case(f"/v1/rerank {name} = {json.dumps(value)[:20]}", param=name, fields={name: value}, path="/v1/rerank")
    for name, value in [
        *(("query", value) for value in (None, "", "  ", 5, ["a"])),
        *(("documents", value) for value in (None, [], "a", [""], ["a", " "], [5], [{"title": "x"}], ["a"] * 1001)),
        *(("top_n", value) for value in (0, -1, "5", True, 1.5)),
        ("return_documents", "yes"),
        ("model", MODEL),
    ]
]
MESSAGES_API = [
    Case(f"/v1/messages {name} = {json.dumps(value)[:20]}", param=name, fields={name: value}, path="/v1/messages")
    for name, value in [
        *(("max_tokens", value) for value in (None, -1, "5", True, 2**40)),
        *(
            ("messages", value)
            for value in (None, [], "Hello", [{"role": "system", "content": "x"}], [{"role": "user"}])
        ),
        *(("temperature", value) for value in (1.5, "1", True)),
        ("stop_sequences", "moon"),
        ("tools", [{"type": "web_search_20250305", "name": "web_search"}]),
        ("tools", [{"name": "look", "input_schema": NESTED_SCHEMA}]),
        ("tools", [{"name": "look", "input_schema": {"properties": {"child": {"$ref": "#"}}}}]),
    ]
]
NO_SUCH = "of-nobody"
KEPT = [
    Case(f"{method} {path}", status, code, param, method=method, path=path)
    for method, path, status, code, param in [
        *(
            ("GET", f"/v1/{what}?{query}", 400, None, query.partition("=")[0] if named else None)
            for what in ("files", "batches", "responses/resp_of-nobody/input_items")
            for query, named in (
                *(("limit=0", True), ("limit=x", True), ("limit=1000000", True), ("moon=1", True)),
                *(("limit=1&limit=2", False), ("after=a%00b", False), ("after=%ff", False)),
            )
        ),
        ("GET", "/v1/files?order=moon", 400, None, "order"),
        ("GET", "/v1/responses/resp_of-nobody/input_items?order=moon", 400, None, "order"),
        ("GET", "/v1/responses/resp_of-nobody?stream=moon", 400, None, "stream"),
        *(
            (method, f"/v1/{path}", 404, code, None)
            for absent in (NO_SUCH, "a" * 1000, "a%00b", "%27%20OR%201=1", "%E2%80%AE")
            for method, path, code in (
                ("GET", f"files/{absent}", None),
                ("DELETE", f"files/{absent}", None),
                ("GET", f"files/{absent}/content", None),
                ("GET", f"batches/{absent}", None),
                ("POST", f"batches/{absent}/cancel", None),
                ("GET", f"responses/{absent}", "response_not_found"),
                ("DELETE", f"responses/{absent}", "response_not_found"),
                ("POST", f"responses/{absent}/cancel", "response_not_found"),
                ("GET", f"responses/{absent}/input_items", "response_not_found"),
            )
        ),
    ]
] + [
    Case(f"{key or 'no'} key: {method} {path}", 401, code, key=key, method=method, path=path)
    for key, code in ((None, "missing_api_key"), ("revoked", "invalid_api_key"), ("expired", "api_key_expired"))
    for method, path in (
        *(("GET", "/v1/files"), ("POST", "/v1/files"), ("DELETE", "/v1/files/file-x"), ("GET", "/v1/batches")),
        *(("POST", "/v1/batches"), ("POST", "/v1/batches/batch_x/cancel"), ("GET", "/v1/responses/resp_x")),
    )
]
BATCHES = [
    Case("a batch that is not JSON", code="invalid_json", raw=b"endpoint=chat", path="/v1/batches"),
    Case(
        "a batch with a key twice",
        code="invalid_json",
        raw=b'{"metadata":{},' + dumped(BATCH)[1:-1] + b',"metadata":{}}',
        path="/v1/batches",
    ),
    Case("a batch as a form", 415, "unsupported_media_type", content_type="multipart/form-data", path="/v1/batches"),
    Case(
        "a batch that is too large", 413, "request_too_large", raw=dumped(BATCH) + b" " * TOO_LARGE, path="/v1/batches"
    ),
    Case("a batch of an absent file", 404, raw=dumped(BATCH), path="/v1/batches"),
    *(
        Case(
            f"a batch with {name} = {json.dumps(value)[:20]}",
            param=name,
            raw=dumped(BATCH | {name: value}),
            path="/v1/batches",
        )
        for name, value in [
            *(("input_file_id", value) for value in (None, "", 5, "f" * 101)),
            *(("endpoint", value) for value in (None, "/v1/moon", "/v1/responses", "http://169.254.169.254/")),
            *(("completion_window", value) for value in (None, "1h", 24)),
            *(("metadata", value) for value in ("x", {"a": 1}, {"a": "b" * 513}, {str(n): "x" for n in range(17)})),
            *(("output_expires_after", value) for value in (5, {"anchor": "created_at", "seconds": 1})),
            ("moon", 1),
        ]
    ),
    Case("a file that is text", 415, content_type="text/plain", raw=b"x", path="/v1/files"),
    Case("a page without an address", 400, param="url", raw=dumped({"purpose": "assistants"}), path="/v1/files"),
    Case("a page that is no JSON", 400, "invalid_json", raw=b"{", path="/v1/files"),
    Case("a page described at length", 413, raw=b" " * 100_000, path="/v1/files"),
    *(
        Case(
            f"a page with {name}: {str(value)[:40]!r}",
            400,
            raw=dumped({"url": "http://127.0.0.2/", "purpose": "assistants"} | {name: value}),
            path="/v1/files",
        )
        for name, value in [
            *(
                ("url", value)
                for value in (None, 5, "", "x", "file:///etc/passwd", "http://", "http://[::1", "ftp://a/")
            ),
            *(
                ("url", f"http://{host}/")
                for host in ("127.0.0.2", "localhost:1", "169.254.169.254", "2130706434", "[::1]")
            ),
            *(("url", value) for value in ("http://a:b@example.com/", "http://a\x00b/", "http://" + "a" * 3000)),
            *(("purpose", value) for value in (None, "batch", "fine-tune")),
            *(("expires_after", value) for value in (5, {"anchor": "created_at", "seconds": 1})),
            ("moon", 1),
        ]
    ),
    Case("a file as a form without a boundary", 400, content_type="multipart/form-data", raw=b"x", path="/v1/files"),
]
CASES = [*UNAUTHENTICATED, *NOT_JSON, *TRANSPORT, *UNKNOWN, *MODELS, *OUT_OF_BOUNDS, *SCHEMAS, *ELSEWHERE]
CASES += [*RERANK, *MESSAGES_API, *KEPT, *BATCHES]


@pytest.fixture(scope="module")
def keys(running_platform: Platform, desk: Desk) -> dict[str, str]:
    """Secrets by what became of them. Also gives a model to somebody else."""
    made = {name: desk.key() for name in ("good", "revoked", "disabled")}
    expiry = datetime.now(UTC) + timedelta(seconds=1)
    made["expired"] = desk.key(expires_at=expiry)
    for name in ("revoked", "disabled"):  # the gateway knows them as good ones
        running_platform.client(made[name].secret).models.list()
    desk.call(revoke_key, made["revoked"])
    desk.call(disable_key, made["disabled"], True)
    add_foreign_model(running_platform, desk)
    time.sleep(max(0.0, (expiry - datetime.now(UTC)).total_seconds()))
    return {name: key.secret for name, key in made.items()} | {"junk": JUNK_KEY, "unknown": new_token()}


def add_foreign_model(platform: Platform, desk: Desk) -> None:
    document = json.loads(models_yaml(platform.primary, platform.second, platform.claude))
    entry = next(entry for entry in document["model_list"] if entry["model_name"] == SMALL_MODEL)
    entry["model_name"], entry["model_info"]["id"] = FOREIGN_MODEL, "foreign"
    file = platform.home / "foreign.yaml"
    file.write_text(json.dumps({"model_list": [entry]}))
    platform.manage("load_models", str(file))
    desk.call(give_model, FOREIGN_MODEL, desk.call(make_account, f"Others {token_hex(4)}"))


def filled_in(case: Case, keys: dict[str, str]) -> bytes:
    """The request as bytes."""
    headers = [("Content-Type", case.content_type)] if case.content_type else []
    if case.key:
        headers.append(("Authorization", f"Bearer {keys[case.key]}"))
    for name, value in case.headers:
        good = keys["good"].encode()
        filled = value.replace(b"{good}", good) if isinstance(value, bytes) else value.replace("{good}", good.decode())
        headers.append((name, filled))
    path = case.path.replace("{good}", keys["good"])
    return request_bytes(path, case.body, method=case.method, headers=tuple(headers))


def send(platform: Platform, case: Case, keys: dict[str, str]) -> WireAnswer:
    return exchange(platform.port, filled_in(case, keys))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_it_is_refused_in_openais_envelope(running_platform: Platform, keys: dict[str, str], case: Case) -> None:
    began = time.monotonic()
    answer = send(running_platform, case, keys)
    seconds = time.monotonic() - began

    assert answer.status == case.status, answer.body
    assert answer.headers["content-type"] == "application/json"
    assert re.fullmatch(r"req_[0-9a-f]{24}", answer.headers["x-request-id"])
    assert {"message", "type", "param", "code"} <= answer.error.keys()
    assert len(answer.error["message"]) < 1000
    if case.code:
        assert answer.error["code"] == case.code
    if case.param is not None:
        assert (answer.error["param"] or "").startswith(case.param), answer.error
    if case.status == 401:
        assert answer.headers["www-authenticate"].startswith("Bearer")
    if case.status == 405:
        assert answer.headers["allow"] == ("GET" if case.path == "/v1/models" else "POST")
    assert not any(secret in answer.body.decode() for secret in keys.values())
    assert seconds < SECONDS or elapsed(running_platform, case, keys) < SECONDS


def elapsed(platform: Platform, case: Case, keys: dict[str, str]) -> float:
    """A machine that is busy elsewhere gets a second try."""
    began = time.monotonic()
    send(platform, case, keys)
    return time.monotonic() - began


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "bearer {good}"},
        {"Authorization": "Bearer {good}", "Content-Type": "application/json; charset=utf-8"},
        {"Authorization": "Bearer {good}", "Content-Encoding": "identity"},
        {"Authorization": "Bearer {good}", "Host": "evil.example", "X-Forwarded-For": "10.0.0.1"},
    ],
    ids=lambda headers: " ".join(headers),
)
def test_unusual_but_right_headers_work(platform: Platform, keys: dict[str, str], headers: dict[str, str]) -> None:
    sent = {"Content-Type": "application/json"} | {
        name: value.replace("{good}", keys["good"]) for name, value in headers.items()
    }
    answer = httpx.post(f"{platform.base_url}/v1/chat/completions", content=json.dumps(CHAT), headers=sent)
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "content",
    ['He said: "a": 1', ":", '":"', "\\", '\\":', "\\u003a", "\\u0000", "é: ü", "\u2028: data: [DONE]\r\n"],
)
def test_colons_and_backslashes_in_texts_are_no_duplicate_keys(
    platform: Platform, keys: dict[str, str], content: str
) -> None:
    fields = CHAT | {"messages": [{"role": "user", "content": content}], "user": content}
    for body in (json.dumps(fields), compact(fields)):
        answer = platform.post(
            "/v1/chat/completions",
            api_key=keys["good"],
            content=body.encode(),
            headers={"Content-Type": "application/json"},
        )
        assert answer.status_code == 200
        assert platform.primary.log()[-1]["body"]["messages"][0]["content"] == content


def compact(fields: dict[str, Any]) -> str:
    """Without spaces, other letters as they are, and every colon of a text escaped."""
    escaped = json.dumps(fields, ensure_ascii=False, separators=(",", "\0"))
    return escaped.replace(":", r"\u003a").replace("\0", ":")


def test_a_body_in_chunks_without_a_length_is_read(platform: Platform, keys: dict[str, str]) -> None:
    body = json.dumps(CHAT).encode()
    chunks = b"".join(b"%x\r\n%c\r\n" % (1, byte) for byte in body) + b"0\r\n\r\n"
    headers = (
        ("Authorization", f"Bearer {keys['good']}"),
        ("Content-Type", "application/json"),
        ("Transfer-Encoding", "chunked"),
    )
    answer = exchange(platform.port, request_bytes("/v1/chat/completions", chunks, headers=headers))
    assert answer.status == 200


@pytest.mark.parametrize("request_id", [b"mine", b"a\tb", b"a\x01b", b"\xff", b"x" * 5000])
def test_the_callers_request_id_is_not_taken_over(platform: Platform, keys: dict[str, str], request_id: bytes) -> None:
    headers = (("Authorization", f"Bearer {keys['good']}"), ("X-Request-Id", request_id))
    answer = exchange(platform.port, request_bytes("/v1/models", method="GET", headers=headers))
    if answer.status == 400:  # the server refused it before it was ours
        assert b"\x01" in request_id
    else:
        assert answer.status == 200
        assert re.fullmatch(r"req_[0-9a-f]{24}", answer.headers["x-request-id"])


@pytest.mark.parametrize(
    "head",
    [
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"MOON /v1/models HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v1/models HTTP/9.9\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET /v1/models HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer sk-art-\0\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
        b"Content-Length: 5\r\n\r\n0\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 0x5\r\n\r\nhello",
        b"GET /v1/models HTTP/1.1\nHost: x\n\n",
        b"GET /v1/models HTTP/1.1\r\nHost: x\nX-Hidden: y\r\n\r\n",
    ],
    ids=[
        "two lengths",
        "length and chunks",
        "negative length",
        "no chunk",
        "method",
        "version",
        "TLS",
        "NUL in the key",
        "chunks and length",
        "unknown coding",
        "space before the colon",
        "hexadecimal length",
        "bare line feeds",
        "a bare line feed",
    ],
)
def test_broken_http_is_refused_and_reaches_no_engine(platform: Platform, head: bytes) -> None:
    assert exchange(platform.port, head).status == 400
    assert platform.primary.log() == []


def test_the_openai_client_raises_the_matching_exception(platform: Platform, keys: dict[str, str]) -> None:
    def ask(key: str = "good", **fields: Any) -> None:
        platform.client(keys[key]).chat.completions.create(**(CHAT | fields))

    with pytest.raises(openai.AuthenticationError) as unauthenticated:
        ask("revoked")
    with pytest.raises(openai.NotFoundError) as unknown_model:
        ask(model="mars")
    with pytest.raises(openai.BadRequestError) as unknown_parameter:
        ask(extra_body={"ignore_eos": True})
    with pytest.raises(openai.BadRequestError) as negative:
        ask(max_tokens=-1, stream=True)

    assert unauthenticated.value.code == "invalid_api_key"
    assert unknown_model.value.code == "model_not_found"
    assert (unknown_parameter.value.code, unknown_parameter.value.param) == ("unknown_parameter", "ignore_eos")
    assert (negative.value.param, negative.value.type) == ("max_tokens", "invalid_request_error")
    assert negative.value.request_id


def test_a_key_cannot_be_made_for_another_accounts_project(
    running_platform: Platform, keys: dict[str, str], desk: Desk
) -> None:
    desk.call(make_project, desk.call(make_account, f"Others {token_hex(4)}"), "Secret project")
    refused = running_platform.manage(
        *("create_key", "--account", running_platform.facts["account"]),
        *("--name", "x", "--project", "secret-project"),
        check=False,
    )
    assert refused["error"]["code"] == "not_found"
    assert refused["error"]["param"] == "project"


def test_an_answers_message_can_be_sent_back(platform: Platform, keys: dict[str, str]) -> None:
    """As clients do: whatever engines put into a message comes back with the next turn."""
    call = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    theirs: dict[str, Any] = {
        "role": "assistant",
        "content": None,
        "refusal": None,
        "annotations": None,
        "audio": None,
        "function_call": None,
        "tool_calls": [call],
        "reasoning": None,
        "reasoning_content": None,
    }
    parts = [{"type": "text", "text": "A moon."}]
    turns = [*CHAT["messages"], theirs, {"role": "tool", "tool_call_id": "call_1", "content": parts}]
    answer = platform.client(keys["good"]).chat.completions.create(model=MODEL, messages=turns, max_tokens=2)  # type: ignore[arg-type]
    assert answer.choices[0].message.content


def test_images_are_sent_as_themselves_and_never_as_addresses(platform: Platform, keys: dict[str, str]) -> None:
    for url in ("http://169.254.169.254/", "https://example.com/x.png", "file:///etc/passwd"):
        content = [{"type": "image_url", "image_url": {"url": url}}]
        fields = CHAT | {"messages": [{"role": "user", "content": content}]}
        answer = platform.post("/v1/chat/completions", api_key=keys["good"], json=fields)
        assert answer.status_code == 400
        assert answer.json()["error"]["param"] == "messages[0].content[0].image_url.url"
    assert platform.primary.log() == []


def test_no_log_contains_a_key(platform: Platform, keys: dict[str, str]) -> None:
    """Stands last: whatever went wrong above was logged by now."""
    platform.primary.script(status=500, times=2)  # it is asked twice
    platform.second.script(status=400, body={"error": {"message": f"Bad key {keys['good']}"}}, times=1)
    assert platform.post("/v1/chat/completions", api_key=keys["good"], json=CHAT).status_code == 400
    logs = platform.logs()
    assert logs
    for name, secret in {**keys, "first": platform.api_key}.items():
        assert secret not in logs, name
    assert "sk-art-" not in logs
    assert "sk-ant-" not in logs
    assert "engine-key" not in logs
