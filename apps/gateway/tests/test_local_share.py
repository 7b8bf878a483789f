"""What a gateway process gives out by itself while Redis is away."""

from types import SimpleNamespace
from typing import Any, cast

from apps.gateway.contracts import Call
from apps.gateway.estimate import Estimate
from apps.gateway.limits import Admission
from apps.gateway.local_share import LocalShare, NotAdmitted

KEY = 7


def admit(share: LocalShare, number: int, *, hold: int = 0, tokens: int = 1, **limits: Any) -> bool:
    call = cast(Call, SimpleNamespace(request_id=f"r{number}", key=SimpleNamespace(key_id=KEY)))
    given = {"rpm": 100, "tpm": 10_000, "parallel": 1000, **limits}
    rates = (("key:7", "requests", 60_000, given["rpm"]), ("key:7", "tokens", 60_000, given["tpm"]))
    admission = Admission(rates, (("key:7", given["parallel"]),), (), (), "")
    try:
        share.admit(call, Estimate(hold=hold, tokens=tokens, prompt_tokens=1, forwarded_limit=None), admission)
    except NotAdmitted as refusal:
        assert refusal.status == 503 and refusal.retry_after is not None and refusal.retry_after > 0
        return False
    return True


def passed(share: LocalShare, count: int, **options: Any) -> int:
    return sum(admit(share, number, **options) for number in range(count))


def test_only_keys_that_redis_knew() -> None:
    share = LocalShare(0.1)
    assert not admit(share, 1)
    share.note(KEY, None)
    assert admit(share, 1)


def test_a_share_of_each_limit() -> None:
    for limits, most in (({"rpm": 100}, 10), ({"tpm": 1000, "tokens": 10}, 10), ({"parallel": 50}, 5)):
        share = LocalShare(0.1)
        share.note(KEY, None)
        assert passed(share, 60, **limits) == most


def test_however_small_one_passes() -> None:
    share = LocalShare(0.1)
    share.note(KEY, None)
    assert passed(share, 5, rpm=1, parallel=1) == 1


def test_a_share_of_what_the_budgets_had_left() -> None:
    share = LocalShare(0.1)
    share.note(KEY, 1000)
    assert passed(share, 60, hold=25) == 4
    share.ended(KEY, "r0", 5)
    assert admit(share, 100, hold=20)
    assert not admit(share, 101, hold=1)
    share.note(KEY, 0)
    assert not admit(share, 102, hold=1)
