"""JSON schemas through the whole house: what no engine should compile reaches none, and not too many new ones do."""

from typing import Any

import httpx
import pytest

from artemis_site.tests.desk import Desk
from artemis_site.tests.errands import Key, make_account
from artemis_site.tests.platform import CLAUDE, MODEL, Platform

HELLO = [{"role": "user", "content": "Hello"}]
SCHEMAS_AN_HOUR = 200


def nested(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(levels):
        schema = {"type": "array", "items": schema}
    return schema


def with_tool(dialect: str, schema: dict[str, Any], *, model: str = CLAUDE) -> tuple[str, dict[str, Any], str]:
    """The path, a request of the dialect with a tool of this schema, and what that is called there."""
    if dialect == "chat":
        function = {"name": "look", "parameters": schema}
        fields = {"messages": HELLO, "max_tokens": 5, "tools": [{"type": "function", "function": function}]}
        return "/v1/chat/completions", {"model": model, **fields}, "tools[0].function.parameters"
    if dialect == "responses":
        tool = {"type": "function", "name": "look", "parameters": schema}
        fields = {"input": "Hello", "max_output_tokens": 5, "tools": [tool]}
        return "/v1/responses", {"model": model, **fields}, "tools[0].parameters"
    fields = {"messages": HELLO, "max_tokens": 5, "tools": [{"name": "look", "input_schema": schema}]}
    return "/v1/messages", {"model": model, **fields}, "tools[0].input_schema"


@pytest.mark.parametrize("dialect", ["chat", "responses", "messages"])
def test_a_schema_too_deep_does_not_cool_claude_down(platform: Platform, desk: Desk, dialect: str) -> None:
    """LiteLLM cannot walk through 900 levels: it used to count as a failure of the provider's, for everybody."""
    path, fields, param = with_tool(dialect, nested(900))
    for _ in range(8):
        refused = platform.post(path, api_key=desk.key().secret, json=fields)
        assert (refused.status_code, refused.json()["error"]["param"]) == (400, param)
    assert platform.claude.log() == []

    path, fields, _ = with_tool(dialect, nested(60))
    assert platform.post(path, api_key=desk.key().secret, json=fields).status_code == 200
    assert len(platform.claude.log()) == 1


def ask(platform: Platform, key: Key, number: int) -> httpx.Response:
    path, fields, _ = with_tool("chat", {"type": "object", "title": f"the {number}th"}, model=MODEL)
    return platform.post(path, api_key=key.secret, json=fields)


def test_an_accounts_new_schemas_are_limited(platform: Platform, desk: Desk) -> None:
    inventive, others = desk.call(make_account, "Inventive"), desk.call(make_account, "Modest")
    key, second = desk.key(account=inventive), desk.key(account=inventive)
    for number in range(SCHEMAS_AN_HOUR):
        assert ask(platform, key, number).status_code == 200

    for refused in (ask(platform, key, SCHEMAS_AN_HOUR), ask(platform, second, SCHEMAS_AN_HOUR + 1)):
        error = refused.json()["error"]
        assert (refused.status_code, error["code"], error["type"]) == (429, "schema_limit_exceeded", "rate_limit_error")
        assert "200 different JSON schemas" in error["message"]
        assert 3000 < int(refused.headers["retry-after"]) <= 3600
        assert "x-ratelimit-limit-requests" in refused.headers
    assert ask(platform, second, 7).status_code == 200, "known ones go on"
    assert platform.post(
        "/v1/chat/completions", api_key=key.secret, json={"model": MODEL, "messages": HELLO}
    ).is_success
    assert ask(platform, desk.key(account=others), SCHEMAS_AN_HOUR).status_code == 200
