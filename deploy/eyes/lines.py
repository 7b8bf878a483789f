"""A request as nginx tells it, and what became of it, in few words that make good labels."""

import msgspec

API = frozenset(
    {
        *("batches", "chat", "completions", "embeddings", "files", "messages", "models", "organization", "rerank"),
        *("responses", "vector_stores"),
    }
)
"""The words that may follow /v1/."""
PAGES = frozenset({"api", "static"})
REFUSALS = {
    401: "key_refused",
    403: "key_refused",
    404: "not_found",
    413: "too_large",
    500: "key_unchecked",
    502: "upstream_away",
    503: "maintenance",
    504: "upstream_late",
}
"""By the status with which nginx itself refuses; any other means that the request could not be read."""
ENDED = {408: "too_slow", 499: "hung_up"}


class Line(msgspec.Struct, frozen=True):
    """`refused`: the status that nginx answered by itself. `span`: its own, where it traces; `parent`: a caller's."""

    ended: float
    seconds: float
    method: str
    path: str
    plane: str
    status: int
    refused: str
    limit_requests: str
    upstream_status: str
    upstream_seconds: str
    http: str
    request_id: str
    traceparent: str
    parent: str
    span: str

    @property
    def at(self) -> str:
        """The plane that it was for. nginx looks at a body's length before it knows."""
        if not self.plane and self.refused == "413":
            return "gateway" if self.path.startswith("/v1/") else "portal"
        return self.plane or "edge"

    @property
    def route(self) -> str:
        words = self.path.split("/")
        if self.at == "gateway":
            return words[2] if len(words) > 2 and words[2] in API else "other"
        if self.at == "portal":
            return words[1] if len(words) > 1 and words[1] in PAGES else "pages"
        return "health" if self.path == "/healthz" else "other"

    @property
    def outcome(self) -> str:
        if self.refused == "429":
            return "limit_requests" if self.limit_requests == "REJECTED" else "limit_connections"
        if self.refused:
            return REFUSALS.get(int(self.refused), "unreadable")
        if self.status in ENDED:
            return ENDED[self.status]
        return "forwarded" if self.upstream_status else "answered"

    @property
    def tries(self) -> list[tuple[str, float]]:
        """At servers of the plane, each by its status, which is 502 or 504 of one that gave none, and its seconds."""
        statuses, times = (
            told.replace(" : ", ", ").split(", ") for told in (self.upstream_status, self.upstream_seconds)
        )
        return [
            (status, float(seconds) if seconds != "-" else 0.0)
            for status, seconds in zip(statuses, times, strict=False)
            if status and status != "-"
        ]


_decoder = msgspec.json.Decoder(Line)


def read(datagram: bytes) -> Line | None:
    """None for what is no line of nginx'."""
    _, brace, text = datagram.partition(b"{")
    try:
        return _decoder.decode(brace + text)
    except msgspec.MsgspecError:
        return None
