"""Whatever a caller must not send is refused through the edge as it is by the gateway itself: status, form and code."""

import json
from typing import Any

import pytest

from artemis_site.tests.planes import Plane
from artemis_site.tests.platform import Platform
from artemis_site.tests.test_bad_input import MESSAGES_API, TRANSPORT, UNAUTHENTICATED, Case, filled_in, keys
from artemis_site.tests.wire import exchange
from deploy.edge.tests import wire
from deploy.edge.tests.edge import Edge, needs_nginx

pytestmark = needs_nginx
__all__ = ["keys"]
# Where nginx has an answer of its own: two of a header that there is once, paths with dots, a path with a NUL.
OTHERWISE = {
    "two headers": (400, "invalid_request"),
    "two equal headers": (400, "invalid_request"),
    "encoded dots": (404, "not_found"),
    "an encoded slash": (400, "invalid_request"),
}


def shape(told: Any) -> Any:
    """The names and kinds of what is in an envelope."""
    return {name: shape(value) for name, value in told.items()} if isinstance(told, dict) else type(told).__name__


@pytest.mark.parametrize("case", [*UNAUTHENTICATED, *TRANSPORT, *MESSAGES_API], ids=lambda case: case.name)
def test_the_edge_says_what_the_gateway_says(
    edge: Edge, plane: Plane, running_platform: Platform, keys: dict[str, str], case: Case
) -> None:
    request = filled_in(case, keys)
    status, body = wire.exchange(edge, request)
    told = json.loads(body)
    expected = OTHERWISE.get(case.name, (case.status, case.code))
    assert status == expected[0]
    assert told["error"]["code"] == expected[1] or expected[1] is None
    if case.name not in OTHERWISE:
        direct = exchange(plane.port, request)
        assert direct.status == status
        assert shape(told) == shape(json.loads(direct.body))
        assert told["error"]["code"] == direct.error["code"]
        assert told["error"]["type"] == direct.error["type"]
    edge.entry(request_id=told.get("request_id") or told["error"]["request_id"])
