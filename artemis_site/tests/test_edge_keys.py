"""Keys at the edge: what is asked of the gateway, for how long an answer holds, and what is refused meanwhile."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote

import httpx
import pytest

from artemis_site.tests.desk import Desk
from artemis_site.tests.edges import ask, bearer
from artemis_site.tests.errands import Key, disable_key, revoke_key, suspend
from artemis_site.tests.planes import Plane
from artemis_site.tests.platform import Platform
from deploy.edge.tests.edge import Edge, needs_nginx


def authorize(plane: Plane, headers: dict[str, str]) -> httpx.Response:
    return httpx.get(f"http://{plane.address}/internal/authorize", headers=headers)


def refusal(answer: httpx.Response) -> tuple[int, str]:
    code = answer.headers["x-artemis-error-code"]
    assert answer.json()["error"]["code"] == code
    assert answer.json()["error"]["message"] == unquote(answer.headers["x-artemis-error-message"])
    return answer.status_code, code


class TestWhatTheGatewaySays:
    def test_of_a_good_key_in_either_header(self, plane: Plane, key: Key) -> None:
        for headers in (bearer(key), {"x-api-key": key.secret}, {**bearer(key), "x-api-key": key.secret}):
            answer = authorize(plane, headers)
            assert (answer.status_code, answer.content) == (204, b"")

    def test_nothing_is_counted_or_held(self, plane: Plane, desk: Desk) -> None:
        key = desk.key(rpm_limit=1)
        assert [authorize(plane, bearer(key)).status_code for _ in range(5)] == [204] * 5
        assert desk.bill(key, requests=0).held == [0, 0, 0]

    def test_of_an_address_that_a_key_is_not_for(self, plane: Plane, desk: Desk) -> None:
        key = desk.key(ip_allow_list=("192.0.2.0/24",))
        for told, expected in (("192.0.2.7", 204), ("192.0.3.7", 403), ("", 403)):
            answer = authorize(plane, {**bearer(key), **({"X-Forwarded-For": told} if told else {})})
            assert answer.status_code == expected
        assert refusal(answer) == (403, "ip_not_allowed")

    @pytest.mark.parametrize(
        ("change", "expected"), [(revoke_key, "invalid_api_key"), (disable_key, "api_key_disabled")]
    )
    def test_of_a_key_that_was_good_just_now(self, plane: Plane, desk: Desk, change: Any, expected: str) -> None:
        key = desk.key()
        assert authorize(plane, bearer(key)).status_code == 204
        desk.call(change, key, *((True,) if change is disable_key else ()))
        assert refusal(authorize(plane, bearer(key))) == (401, expected)

    def test_of_an_expired_key_and_of_a_suspended_account(self, plane: Plane, desk: Desk) -> None:
        expiry = datetime.now(UTC) + timedelta(seconds=0.5)
        key = desk.key(expires_at=expiry)
        time.sleep(max(0.0, (expiry - datetime.now(UTC)).total_seconds()))
        assert refusal(authorize(plane, bearer(key))) == (401, "api_key_expired")
        other = desk.key()
        assert authorize(plane, bearer(other)).status_code == 204
        desk.call(suspend, other.account_id, True)
        try:
            assert refusal(authorize(plane, bearer(other))) == (403, "account_suspended")
        finally:
            desk.call(suspend, other.account_id, False)


@needs_nginx
class TestAtTheEdge:
    def test_a_revoked_key_is_refused_at_once_and_soon_by_the_edge(
        self, edge: Edge, platform: Platform, key: Key, desk: Desk
    ) -> None:
        assert ask(edge, key).status_code == 200
        desk.call(revoke_key, key)
        first = ask(edge, key)
        assert (first.status_code, first.json()["error"]["code"]) == (401, "invalid_api_key")
        answered = {"upstream_status": "401"}  # by the gateway, and later by the edge's own memory or its question

        def refused_by_the_edge() -> bool:
            answer = ask(edge, key)
            assert answer.status_code == 401
            return edge.entry(request_id=answer.headers["x-request-id"])["upstream_status"] == ""

        assert edge.entry(request_id=first.headers["x-request-id"])["upstream_status"] == answered["upstream_status"]
        edge.wait_for(refused_by_the_edge)

    def test_an_address_is_told_to_the_gateway(self, edge: Edge, platform: Platform, desk: Desk) -> None:
        key = desk.key(ip_allow_list=("127.0.9.9",))
        assert ask(edge, key, address="127.0.9.9").status_code == 200
        refused = ask(edge, key, address="127.0.9.8")
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "ip_not_allowed")
        with edge.client(address="127.0.9.8", headers={**bearer(key), "X-Forwarded-For": "127.0.9.9"}) as liar:
            assert liar.get("/v1/models").status_code == 403
