"""Types of fields that several endpoints share, with the bounds that OpenAI publishes or that we set."""

from typing import Annotated, Any, ClassVar

from msgspec import Meta, Struct

Probability = Annotated[float, Meta(ge=0, le=1)]
Temperature = Annotated[float, Meta(ge=0, le=2)]
Penalty = Annotated[float, Meta(ge=-2, le=2)]
Positive = Annotated[int, Meta(ge=1, le=2**31 - 1)]
Choices = Annotated[int, Meta(ge=1, le=16)]
Seed = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
LogitBias = Annotated[dict[str, Annotated[float, Meta(ge=-100, le=100)]], Meta(max_length=300)]
StopText = Annotated[str, Meta(min_length=1, max_length=1000)]
Stop = StopText | Annotated[list[StopText], Meta(max_length=4)] | None
LONGEST_END_USER = 120
EndUser = Annotated[str, Meta(max_length=LONGEST_END_USER)]
JSONObject = dict[str, Any]
Token = Annotated[int, Meta(ge=0, le=2**31 - 1)]
# A text, several, one text's tokens, or several texts' tokens; `count_texts` sees that a list is of one kind.
Texts = str | Annotated[list[str | Token | list[Token]], Meta(min_length=1, max_length=100_000)]
MOST_TEXTS = 2048


class StreamOptions(Struct, forbid_unknown_fields=True):
    include_usage: bool = False
    include_obfuscation: bool = False


class AnyRequest(Struct, kw_only=True, forbid_unknown_fields=True):
    """What a request in any dialect has. `LOCAL`: fields that are ours to use and do not go to an engine."""

    LOCAL: ClassVar[frozenset[str]] = frozenset({"model", "stream"})

    model: Annotated[str, Meta(min_length=1, max_length=200)]

    def prompt_bytes(self, raw: int) -> int:
        """What bounds the prompt, of a request of so many bytes."""
        return raw

    @property
    def may_be_logged(self) -> bool:
        """Not what its caller wants stored nowhere."""
        return getattr(self, "store", None) is not False

    def prepared(self, payload: dict[str, Any]) -> dict[str, Any]:
        """The payload in the form in which engines take it."""
        return payload

    def for_engines(self, payload: dict[str, Any]) -> dict[str, Any]:
        """The payload without what we do ourselves."""
        return payload

    def json_schemas(self) -> list[tuple[str, JSONObject]]:
        """The JSON schemas in it, and where they stand: an engine may have to compile them."""
        return []

    def free_forms(self) -> list[tuple[str, JSONObject]]:
        """What else in it has no form that is published, and goes to an engine."""
        return []


class Request(AnyRequest, kw_only=True):
    """What every inference request in OpenAI's dialect may have."""

    LOCAL: ClassVar[frozenset[str]] = AnyRequest.LOCAL | {"stream_options", "user"}

    user: EndUser | None = None

    @property
    def end_user(self) -> str:
        """Who asks, by the caller's own name for them."""
        return getattr(self, "safety_identifier", None) or self.user or ""

    @property
    def include_usage(self) -> bool:
        """Whether the caller wants the count at the end of a stream."""
        options: StreamOptions | None = getattr(self, "stream_options", None)
        return options is not None and options.include_usage


def count_texts(texts: str | list[Any]) -> int:
    """How many texts these are; 0 for a list of mixed kinds, or of too many or empty ones."""
    if isinstance(texts, str) or all(isinstance(item, int) for item in texts):
        return 1
    if len(texts) > MOST_TEXTS:
        return 0
    if all(isinstance(item, str) for item in texts) or all(isinstance(item, list) and item for item in texts):
        return len(texts)
    return 0
