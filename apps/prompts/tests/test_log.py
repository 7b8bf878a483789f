"""From a gateway to the page: what is kept, for whom, and until when."""

import zlib
from datetime import datetime, timedelta
from typing import Any
from typing import cast as typed

import msgspec
import pytest
from django.utils import timezone
from pytest_django.fixtures import Settings

from apps.accounts.models import Account
from apps.accounts.tests.cast import Cast
from apps.common.errors import Invalid
from apps.common.redis import sync_redis
from apps.common.sealing import seal_bytes
from apps.prompts import selectors, services
from apps.prompts.contracts import QUEUE, Heard, Part
from apps.prompts.models import Prompt

SECRET = "sk-art-abcdefghijklmnopqrstuv"


def tell(account_id: int, request_id: str = "req_1", *, started_at: datetime | None = None, **fields: Any) -> None:
    """As a gateway does."""
    answer = {"choices": [{"message": {"content": "Noted, jane@example.com."}}]}
    known: dict[str, Any] = {
        "endpoint": "chat.completions",
        "asked": {"messages": [{"role": "user", "content": f"I am jane@example.com, with {SECRET}"}]},
        "answered": zlib.compress(msgspec.json.encode(answer)),
        "is_whole": True,
    }
    heard = Heard(
        request_id=request_id, account=account_id, started_at=started_at or timezone.now(), **(known | fields)
    )
    sync_redis().rpush(QUEUE, services.sealed(heard) or b"")


def texts(account_id: int, request_id: str = "req_1") -> list[str] | None:
    found = selectors.logged_prompt(account_id=account_id, request_id=request_id)
    if found is None:
        return None
    assert found.conversation
    return [part.text for part in (*found.conversation.asked, *found.conversation.answered)]


def test_a_prompt_is_kept_redacted_and_sealed(cast: Cast) -> None:
    services.log_for(account_id=cast.northwind.id, days=7)
    tell(cast.northwind.id)
    (waiting,) = typed("list[bytes]", sync_redis().lrange(QUEUE, 0, -1))
    assert SECRET.encode() not in waiting
    assert services.store_waiting() == 1 and sync_redis().llen(QUEUE) == 0
    assert texts(cast.northwind.id) == ["I am [email], with [redacted]", "Noted, [email]."]
    row = Prompt.objects.get()
    assert b"Noted" not in bytes(row.sealed) and row.expires_at - row.started_at == timedelta(days=7)


def test_another_account_sees_nothing_of_it(cast: Cast) -> None:
    for account in (cast.northwind, cast.charlies):
        services.log_for(account_id=account.id, days=7)
    tell(cast.northwind.id)
    services.store_waiting()
    assert texts(cast.charlies.id) is None
    assert texts(cast.northwind.id) and texts(cast.northwind.id, "req_2") is None
    assert selectors.kept_of_account(account_id=cast.charlies.id).prompts == 0
    services.delete_all(account_id=cast.charlies.id)
    services.log_for(account_id=cast.charlies.id, days=1)
    assert texts(cast.northwind.id) and selectors.kept_of_account(account_id=cast.northwind.id).prompts == 1
    assert Prompt.objects.get().expires_at - Prompt.objects.get().started_at == timedelta(days=7)


def test_nothing_is_kept_of_an_account_that_does_not_want_it_or_no_more(cast: Cast) -> None:
    tell(cast.northwind.id)
    assert services.store_waiting() == 1 and not Prompt.objects.exists()
    services.log_for(account_id=cast.northwind.id, days=7)
    services.log_for(account_id=cast.northwind.id, days=None)
    tell(cast.northwind.id)
    assert services.store_waiting() == 1 and not Prompt.objects.exists()


def test_a_shorter_time_holds_for_what_is_there_and_a_longer_one_does_not(cast: Cast) -> None:
    kept_for(cast.northwind.id, 7)
    tell(cast.northwind.id, started_at=timezone.now() - timedelta(days=2))
    services.store_waiting()
    services.log_for(account_id=cast.northwind.id, days=30)
    services.log_for(account_id=cast.northwind.id, days=None)
    row = Prompt.objects.get()
    assert row.expires_at - row.started_at == timedelta(days=7)
    services.log_for(account_id=cast.northwind.id, days=1)
    assert texts(cast.northwind.id) is None  # at once, before anything deletes it
    assert selectors.kept_of_account(account_id=cast.northwind.id).prompts == 0
    assert services.delete_expired() == 1 and not Prompt.objects.exists()


def kept_for(account_id: int, days: int) -> None:
    """Since long ago."""
    services.log_for(account_id=account_id, days=days)
    Account.objects.filter(pk=account_id).update(prompt_log_since=timezone.now() - timedelta(days=40))


def test_what_has_not_expired_stays(cast: Cast) -> None:
    kept_for(cast.northwind.id, 7)
    tell(cast.northwind.id, "req_old", started_at=timezone.now() - timedelta(days=6, hours=23))
    services.store_waiting()
    assert services.delete_expired() == 0 and texts(cast.northwind.id, "req_old")


def test_deleting_takes_what_is_on_its_way_too(cast: Cast) -> None:
    services.log_for(account_id=cast.northwind.id, days=7)
    tell(cast.northwind.id, "req_1")
    services.store_waiting()
    tell(cast.northwind.id, "req_2")
    assert services.delete_all(account_id=cast.northwind.id) == 1
    assert services.store_waiting() == 1 and not Prompt.objects.exists()
    tell(cast.northwind.id, "req_3")
    services.store_waiting()
    assert list(Prompt.objects.values_list("request_id", flat=True)) == ["req_3"]


def test_what_was_asked_before_it_was_turned_on_again_is_not_kept(cast: Cast) -> None:
    services.log_for(account_id=cast.northwind.id, days=7)
    services.log_for(account_id=cast.northwind.id, days=None)
    tell(cast.northwind.id, "req_off")
    services.log_for(account_id=cast.northwind.id, days=7)
    services.log_for(account_id=cast.northwind.id, days=30)
    tell(cast.northwind.id, "req_on")
    services.store_waiting()
    assert list(Prompt.objects.values_list("request_id", flat=True)) == ["req_on"]


def test_one_worker_at_a_time_stores(cast: Cast) -> None:
    services.log_for(account_id=cast.northwind.id, days=7)
    tell(cast.northwind.id)
    with sync_redis().lock(services.LOCK, timeout=10):
        assert services.store_waiting() == 0 and sync_redis().llen(QUEUE) == 1
    assert services.store_waiting() == 1
    assert services.store_waiting() == 0 and not sync_redis().exists(services.LOCK)


def test_one_that_ends_its_worker_ends_no_other(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    services.log_for(account_id=cast.northwind.id, days=7)
    tell(cast.northwind.id, "req_deadly")
    tell(cast.northwind.id, "req_good")
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(services, "redacted", die)
        services.store_waiting()
    sync_redis().delete(services.LOCK)  # as it runs out
    assert services.store_waiting() == 1
    assert list(Prompt.objects.values_list("request_id", flat=True)) == ["req_good"]


def die(text: str) -> str:
    raise KeyboardInterrupt


def test_told_twice_it_is_kept_once(cast: Cast) -> None:
    services.log_for(account_id=cast.northwind.id, days=7)
    for _ in range(2):
        tell(cast.northwind.id)
    services.store_waiting()
    tell(cast.northwind.id)
    services.store_waiting()
    assert Prompt.objects.count() == 1


def test_one_that_cannot_be_read_holds_up_nobody(cast: Cast) -> None:
    services.log_for(account_id=cast.northwind.id, days=7)
    sync_redis().rpush(QUEUE, b"no", seal_bytes(b"no"), seal_bytes(zlib.compress(b"no")))
    tell(cast.northwind.id, "req_odd", asked={"messages": [{"content": 5}]})
    tell(2**40, "req_of_nobody")
    tell(cast.northwind.id, "req_good")
    assert services.store_waiting() == 6
    assert list(Prompt.objects.values_list("request_id", flat=True)) == ["req_good"]


def test_another_secret_key_reads_nothing_and_breaks_nothing(cast: Cast, settings: Settings) -> None:
    services.log_for(account_id=cast.northwind.id, days=7)
    tell(cast.northwind.id)
    services.store_waiting()
    settings.SECRET_KEY = "another one"
    found = selectors.logged_prompt(account_id=cast.northwind.id, request_id="req_1")
    assert found and found.conversation is None


def test_the_operator_has_the_last_word(cast: Cast, settings: Settings) -> None:
    services.log_for(account_id=cast.northwind.id, days=30)
    settings.PROMPT_LOG_MAX_DAYS = 3
    with pytest.raises(Invalid):
        services.log_for(account_id=cast.northwind.id, days=4)
    assert Account.objects.get(pk=cast.northwind.id).prompts_kept_days == 3
    tell(cast.northwind.id)
    services.store_waiting()
    settings.PROMPT_LOG_MAX_DAYS = 0
    assert texts(cast.northwind.id) is None
    assert services.delete_expired() == 1
    assert Account.objects.get(pk=cast.northwind.id).prompts_kept_days is None
    tell(cast.northwind.id)
    services.store_waiting()
    assert not Prompt.objects.exists()


def test_gateways_learn_of_it_at_once(cast: Cast, django_capture_on_commit_callbacks: Any) -> None:
    before = Account.objects.get(pk=cast.northwind.id).version
    with django_capture_on_commit_callbacks() as published:
        services.log_for(account_id=cast.northwind.id, days=7)
    assert Account.objects.get(pk=cast.northwind.id).version == before + 1 and published


def test_a_conversation_of_another_release_is_still_read() -> None:
    """What is kept for a month must be."""
    stored = b'{"asked":[{"role":"user","kind":"text","text":"hi"}],"answered":[],"new":1}'
    assert msgspec.json.decode(stored, type=selectors.Conversation).asked == [Part("user", "text", "hi")]
