"""Idempotency keys: a request that comes again with its key gets the first one's answer.

See https://docs.stripe.com/api/idempotent_requests. Kept for a day, by secret key.
"""

import hashlib
import time
from dataclasses import dataclass
from typing import Any

from apps.billing.emulator.errors import StripeError

KEPT_SECONDS = 86_400
LONGEST = 255


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes


@dataclass(frozen=True)
class _Kept:
    digest: str
    endpoint: str
    answer: Answer
    at: float


class Answers:
    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], _Kept] = {}
        self.changed = False

    def find(self, *, secret: str, key: str, method: str, path: str, parameters: str) -> Answer | None:
        """Raises StripeError for a key that came with something else before."""
        if len(key) > LONGEST:
            raise StripeError(f"Idempotency keys can be at most {LONGEST} characters.", kind="idempotency_error")
        kept = self._kept.get((secret, key))
        if kept is None or time.time() - kept.at > KEPT_SECONDS:
            return None
        if kept.endpoint != f"{method} {path}":
            raise StripeError(
                "Keys for idempotent requests can only be used for the same endpoint they were first used for "
                f"('{path}' vs '{kept.endpoint.partition(' ')[2]}'). Try using a key other than '{key}' if you meant "
                "to execute a different request.",
                kind="idempotency_error",
            )
        if kept.digest != _digest(parameters):
            raise StripeError(
                "Keys for idempotent requests can only be used with the same parameters they were first used with. "
                f"Try using a key other than '{key}' if you meant to execute a different request.",
                kind="idempotency_error",
            )
        return kept.answer

    def keep(self, *, secret: str, key: str, method: str, path: str, parameters: str, answer: Answer) -> None:
        self._kept[secret, key] = _Kept(_digest(parameters), f"{method} {path}", answer, time.time())
        self.changed = True

    def reset(self) -> None:
        self._kept.clear()
        self.changed = True

    def describe(self) -> list[dict[str, Any]]:
        """Of those that are still good."""
        self.changed = False
        return [
            {
                "secret": secret,
                "key": key,
                "digest": kept.digest,
                "endpoint": kept.endpoint,
                "status": kept.answer.status,
                "body": kept.answer.body.decode(),
                "at": kept.at,
            }
            for (secret, key), kept in self._kept.items()
            if time.time() - kept.at < KEPT_SECONDS
        ]

    def restore(self, described: list[dict[str, Any]]) -> None:
        for one in described:
            answer = Answer(one["status"], one["body"].encode())
            self._kept[one["secret"], one["key"]] = _Kept(one["digest"], one["endpoint"], answer, one["at"])


def _digest(parameters: str) -> str:
    return hashlib.sha256(parameters.encode()).hexdigest()
