"""How an engine can fail to answer.

EngineError
├── EngineRefused      it answered with an error status; `status`, `body`, `retry_after` (seconds)
├── EngineUnreachable  no connection, or it broke
├── EngineTimeout      silent for longer than it may be
├── EngineGarbled      what came is not what the protocol says
├── EngineAsleep       it shares a GPU by turns, and could not be woken within its time
└── AnswerDiffers      asked again, it said something else than was said before; no fault of its own
"""


class EngineError(Exception):
    """An engine did not answer as it should; `status` is what an HTTP answer for it would have."""

    status = 502


class EngineRefused(EngineError):
    def __init__(self, status: int, body: bytes, retry_after: float | None) -> None:
        super().__init__(f"the engine answered {status}")
        self.status = status
        self.body = body
        self.retry_after = retry_after


class EngineUnreachable(EngineError):
    """`delivered`: the request was sent before the connection broke, and may be what broke it."""

    status = 503

    def __init__(self, message: str, *, delivered: bool = False) -> None:
        super().__init__(message)
        self.delivered = delivered


class EngineTimeout(EngineError):
    status = 504


class EngineGarbled(EngineError):
    status = 502


class AnswerDiffers(EngineError):
    status = 502


class EngineAsleep(EngineError):
    status = 503
