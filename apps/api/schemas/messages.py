"""POST /v1/messages and /v1/messages/count_tokens, by https://docs.anthropic.com/en/api/messages"""

from typing import Annotated, ClassVar, Literal

from msgspec import Meta, Struct

from apps.api.schemas.fields import LONGEST_END_USER, AnyRequest, JSONObject, Positive, Probability, StopText

LEAST_THINKING = 1024  # tokens, as Anthropic has it
ToolName = Annotated[str, Meta(min_length=1, max_length=128, pattern=r"^[a-zA-Z0-9_-]+$")]


class CacheControl(Struct, forbid_unknown_fields=True):
    type: Literal["ephemeral"]
    ttl: Literal["5m", "1h"] | None = None


class TextBlock(Struct, tag_field="type", tag="text", forbid_unknown_fields=True):
    """`citations` are only ever there, in an answer's block that comes back as it came."""

    text: str
    cache_control: CacheControl | None = None
    citations: list[JSONObject] | None = None


class ImageSource(Struct, tag_field="type", tag="base64", forbid_unknown_fields=True):
    """The image itself, not its address: an engine that fetches for strangers reaches what strangers must not."""

    media_type: Literal["image/jpeg", "image/png", "image/gif", "image/webp"]
    data: Annotated[str, Meta(min_length=1)]


class ImageBlock(Struct, tag_field="type", tag="image", forbid_unknown_fields=True):
    source: ImageSource
    cache_control: CacheControl | None = None


class ToolUseBlock(Struct, tag_field="type", tag="tool_use", forbid_unknown_fields=True):
    """`caller` is only ever there, like a text's citations."""

    id: str
    name: ToolName
    input: JSONObject
    cache_control: CacheControl | None = None
    caller: JSONObject | None = None


class ToolResultBlock(Struct, tag_field="type", tag="tool_result", forbid_unknown_fields=True):
    tool_use_id: str
    content: str | list[TextBlock | ImageBlock] | None = None
    is_error: bool | None = None
    cache_control: CacheControl | None = None


class ThinkingBlock(Struct, tag_field="type", tag="thinking", forbid_unknown_fields=True):
    thinking: str
    signature: str | None = None


class RedactedThinkingBlock(Struct, tag_field="type", tag="redacted_thinking", forbid_unknown_fields=True):
    data: str


Block = TextBlock | ImageBlock | ToolUseBlock | ToolResultBlock | ThinkingBlock | RedactedThinkingBlock


class Turn(Struct, forbid_unknown_fields=True):
    role: Literal["user", "assistant"]
    content: str | list[Block]


class ClientTool(Struct, forbid_unknown_fields=True):
    """A tool that the caller runs. Those that Anthropic itself runs (web search and the like) are not served."""

    name: ToolName
    input_schema: JSONObject
    type: Literal["custom"] | None = None
    description: str | None = None
    cache_control: CacheControl | None = None
    eager_input_streaming: bool | None = None
    input_examples: list[JSONObject] | None = None
    strict: bool | None = None


class AutoChoice(Struct, tag_field="type", tag="auto", forbid_unknown_fields=True):
    disable_parallel_tool_use: bool | None = None


class AnyChoice(Struct, tag_field="type", tag="any", forbid_unknown_fields=True):
    disable_parallel_tool_use: bool | None = None


class ToolChoice(Struct, tag_field="type", tag="tool", forbid_unknown_fields=True):
    name: ToolName
    disable_parallel_tool_use: bool | None = None


class NoChoice(Struct, tag_field="type", tag="none", forbid_unknown_fields=True):
    pass


class Thinking(Struct, tag_field="type", tag="enabled", forbid_unknown_fields=True):
    budget_tokens: Annotated[int, Meta(ge=LEAST_THINKING, le=2**31 - 1)]
    display: Literal["summarized", "omitted"] | None = None


class AdaptiveThinking(Struct, tag_field="type", tag="adaptive", forbid_unknown_fields=True):
    display: Literal["summarized", "omitted"] | None = None


class NoThinking(Struct, tag_field="type", tag="disabled", forbid_unknown_fields=True):
    pass


class Metadata(Struct, forbid_unknown_fields=True):
    """Anthropic's bound, which its own clients come near to; the record keeps the beginning."""

    user_id: Annotated[str, Meta(max_length=256)] | None = None


def _forms(block: Block) -> list[JSONObject]:
    if isinstance(block, ToolUseBlock):
        return [block.input, block.caller or {}]
    return (block.citations or []) if isinstance(block, TextBlock) else []


class CountTokensRequest(AnyRequest, kw_only=True):
    """A prompt, and nothing of the answer."""

    messages: Annotated[list[Turn], Meta(min_length=1, max_length=10_000)]
    cache_control: CacheControl | None = None
    system: str | list[TextBlock] | None = None
    thinking: Thinking | AdaptiveThinking | NoThinking | None = None
    tool_choice: AutoChoice | AnyChoice | ToolChoice | NoChoice | None = None
    tools: Annotated[list[ClientTool], Meta(max_length=128)] | None = None

    def json_schemas(self) -> list[tuple[str, JSONObject]]:
        return [(f"tools[{place}].input_schema", tool.input_schema) for place, tool in enumerate(self.tools or ())]

    def free_forms(self) -> list[tuple[str, JSONObject]]:
        found = [
            (f"messages[{place}].content[{inner}]", form)
            for place, turn in enumerate(self.messages)
            if not isinstance(turn.content, str)
            for inner, block in enumerate(turn.content)
            for form in _forms(block)
        ]
        for place, tool in enumerate(self.tools or ()):
            found += [(f"tools[{place}].input_examples", example) for example in tool.input_examples or ()]
        return found

    def inconsistency(self) -> tuple[str, str] | None:
        """(field, sentence) of fields that do not go together, as Anthropic refuses them."""
        if self.tool_choice is not None and not self.tools:
            return "tool_choice", "tool_choice is only for a request with tools."
        return None


class MessagesRequest(CountTokensRequest, kw_only=True):
    LOCAL: ClassVar[frozenset[str]] = AnyRequest.LOCAL | {"metadata", "service_tier"}

    max_tokens: Positive
    metadata: Metadata | None = None
    service_tier: Literal["auto", "standard_only"] | None = None
    stop_sequences: Annotated[list[StopText], Meta(max_length=64)] | None = None
    stream: bool | None = None
    temperature: Probability | None = None
    top_k: Annotated[int, Meta(ge=0, le=2**31 - 1)] | None = None
    top_p: Probability | None = None

    choices = 1
    include_usage = True  # an answer in this dialect always has it

    @property
    def output_limit(self) -> int:
        return self.max_tokens

    @property
    def end_user(self) -> str:
        return ((self.metadata and self.metadata.user_id) or "")[:LONGEST_END_USER]

    def inconsistency(self) -> tuple[str, str] | None:
        """(field, sentence) of fields that do not go together, as Anthropic refuses them."""
        if isinstance(self.thinking, Thinking) and self.thinking.budget_tokens >= self.max_tokens:
            return "thinking.budget_tokens", "thinking.budget_tokens must be less than max_tokens."
        return super().inconsistency()
