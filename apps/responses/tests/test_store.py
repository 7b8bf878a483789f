"""What is kept is its project's alone, is read as it was written, and is gone after a month."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.accounts.contracts import AccountRow
from apps.accounts.models import Project
from apps.accounts.services import create_project
from apps.accounts.tests.cast import Cast
from apps.common.errors import Invalid, NotFound
from apps.responses import selectors, services
from apps.responses.models import StoredResponse
from apps.responses.services import kept

DAY = timedelta(days=1)


def message(text: str) -> dict[str, Any]:
    return {"type": "message", "id": f"msg_{text}", "role": "user", "content": [{"type": "input_text", "text": text}]}


def owner(account: AccountRow, project: str = "default") -> dict[str, int]:
    found = Project.objects.get(account_id=account.id, slug=project)
    return {"account_id": account.id, "project_id": found.pk}


def keep(owned: dict[str, int], name: str, *, after: str = "", age: timedelta = DAY, size: int = 10) -> str:
    answer = {**message(f"{name}-answered"), "role": "assistant"}
    row = StoredResponse.objects.create(
        public_id=f"resp_{name}",
        **owned,
        request_id=f"req_{name}",
        previous_id=after and f"resp_{after}",
        model="moon",
        body=json.dumps({"id": f"resp_{name}", "output": [answer]}),
        items=json.dumps([message(f"{name}-1"), message(f"{name}-2")]),
        size=size,
        created_at=timezone.now() - age,
    )
    return row.public_id


def ids(items: list[dict[str, Any]]) -> list[str]:
    return [item["id"].removeprefix("msg_") for item in items]


def test_a_response_is_read_as_it_was_written(cast: Cast) -> None:
    mine = owner(cast.northwind)
    public_id = keep(mine, "a")
    assert json.loads(selectors.response_of(**mine, public_id=public_id))["id"] == public_id


@pytest.mark.parametrize("other", ["another account", "another project", "an absent id", "a NUL"])
def test_what_is_not_mine_is_not_there(cast: Cast, other: str) -> None:
    mine = owner(cast.northwind)
    public_id = keep(mine, "a")
    create_project(account_id=cast.northwind.id, name="Second", monthly_budget=None)
    asking = {
        "another account": owner(cast.charlies),
        "another project": owner(cast.northwind, "second"),
    }.get(other, mine)
    wanted = {"an absent id": "resp_b", "a NUL": "resp_\0"}.get(other, public_id)

    for work in (selectors.response_of, services.delete_response, services.cancel_response):
        with pytest.raises(NotFound, match="not found"):
            work(**asking, public_id=wanted)
    with pytest.raises(NotFound):
        selectors.input_items_of(**asking, public_id=wanted, limit=5)
    if "\0" not in wanted:  # the parser of requests lets none through
        with pytest.raises(Invalid) as refused:
            selectors.past_of(**asking, public_id=wanted)
        assert refused.value.code == "previous_response_not_found"
    assert selectors.response_of(**mine, public_id=public_id)


def test_a_project_cannot_continue_through_anothers_response(cast: Cast) -> None:
    keep(owner(cast.charlies), "theirs")
    mine = owner(cast.northwind)
    keep(mine, "mine", after="theirs")
    with pytest.raises(Invalid, match="resp_theirs"):
        selectors.past_of(**mine, public_id="resp_mine")


def test_the_past_is_all_items_in_order(cast: Cast) -> None:
    mine = owner(cast.northwind)
    for name, after in (("a", ""), ("b", "a"), ("c", "b"), ("aside", "a")):
        keep(mine, name, after=after)
    past = selectors.past_of(**mine, public_id="resp_c")
    assert ids(past.items) == [f"{name}-{part}" for name in "abc" for part in ("1", "2", "answered")]
    assert past.size == 30


def test_a_past_with_a_gap_is_refused(cast: Cast) -> None:
    mine = owner(cast.northwind)
    for name, after in (("a", ""), ("b", "a"), ("c", "b")):
        keep(mine, name, after=after)
    services.delete_response(**mine, public_id="resp_a")
    with pytest.raises(Invalid, match="resp_a") as refused:
        selectors.past_of(**mine, public_id="resp_c")
    assert refused.value.code == "previous_response_not_found"


def test_a_past_is_bounded_in_turns_and_bytes(cast: Cast) -> None:
    mine = owner(cast.northwind)
    keep(mine, "0")
    for number in range(1, selectors.MOST_TURNS + 1):
        keep(mine, str(number), after=str(number - 1))
    last = selectors.MOST_TURNS - 1
    assert len(selectors.past_of(**mine, public_id=f"resp_{last}").items) == 3 * selectors.MOST_TURNS
    keep(mine, "large", size=selectors.MOST_BYTES)
    keep(mine, "after-large", after="large")
    for public_id in (f"resp_{last + 1}", "resp_after-large"):
        with pytest.raises(Invalid) as refused:
            selectors.past_of(**mine, public_id=public_id)
        assert refused.value.code == "conversation_too_long"


def test_a_circle_ends(cast: Cast) -> None:
    mine = owner(cast.northwind)
    keep(mine, "a", after="b")
    keep(mine, "b", after="a")
    with pytest.raises(Invalid):
        selectors.past_of(**mine, public_id="resp_b")


def test_input_items_come_in_pages(cast: Cast) -> None:
    mine = owner(cast.northwind)
    keep(mine, "a")

    def page(**options: Any) -> tuple[list[str], bool]:
        found = selectors.input_items_of(**mine, public_id="resp_a", **options)
        return ids(found.items), found.has_more

    assert page(limit=20) == (["a-2", "a-1"], False)
    assert page(limit=1, order="asc") == (["a-1"], True)
    assert page(limit=1, order="asc", after="msg_a-1") == (["a-2"], False)
    assert page(limit=1, order="asc", after="msg_a-2") == ([], False)
    with pytest.raises(Invalid, match="msg_b"):
        page(limit=1, after="msg_b")


def test_a_month_later_it_is_gone(cast: Cast) -> None:
    mine = owner(cast.northwind)
    keep(mine, "young", age=29 * DAY)
    for number in range(kept.DELETED_AT_ONCE + 1):
        keep(mine, f"old{number}", age=30 * DAY)
    keep(mine, "heir", after="old0")

    with pytest.raises(NotFound):
        selectors.response_of(**mine, public_id="resp_old0")
    with pytest.raises(Invalid):
        selectors.past_of(**mine, public_id="resp_heir")
    assert services.delete_expired() == kept.DELETED_AT_ONCE + 1
    assert services.delete_expired() == 0
    assert sorted(StoredResponse.objects.values_list("public_id", flat=True)) == ["resp_heir", "resp_young"]


@pytest.mark.parametrize("by", ["number", "bytes"])
def test_past_its_quota_an_accounts_oldest_responses_go_first(cast: Cast, settings: Any, by: str) -> None:
    mine, others = owner(cast.northwind), owner(cast.charlies)
    for place in range(5):
        keep(mine, f"mine{place}", size=100)
        keep(others, f"others{place}", size=1)
    if by == "number":
        settings.RESPONSES_MOST_KEPT = 5
        keep(mine, "mine5", size=100)
        assert services.make_room() == 1
    else:
        settings.RESPONSES_MOST_KEPT_BYTES = 350
        assert services.make_room() == 2
    kept = sorted(StoredResponse.objects.values_list("public_id", flat=True))
    assert kept == sorted(
        [f"resp_others{place}" for place in range(5)]
        + [f"resp_mine{place}" for place in (range(1, 6) if by == "number" else range(2, 5))]
    )
    assert services.make_room() == 0


def test_room_is_made_in_parts(cast: Cast, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.RESPONSES_MOST_KEPT = 1
    monkeypatch.setattr(kept, "DELETED_AT_ONCE", 2)
    mine = owner(cast.northwind)
    for place in range(6):
        keep(mine, f"mine{place}")
    assert services.make_room() == 5
    assert list(StoredResponse.objects.values_list("public_id", flat=True)) == ["resp_mine5"]
