"""POST /v1/chat/completions, by https://platform.openai.com/docs/api-reference/chat/create"""

from typing import Annotated, ClassVar, Literal

from msgspec import Meta, Struct

from apps.api.schemas.fields import (
    Choices,
    EndUser,
    JSONObject,
    LogitBias,
    Penalty,
    Positive,
    Probability,
    Request,
    Seed,
    Stop,
    StreamOptions,
    Temperature,
)
from apps.api.schemas.file_search import FileSearchTool, Searching
from apps.knowledge.services import questions_of


class TextPart(Struct, tag_field="type", tag="text", forbid_unknown_fields=True):
    text: str


class RefusalPart(Struct, tag_field="type", tag="refusal", forbid_unknown_fields=True):
    refusal: str


class Image(Struct, forbid_unknown_fields=True):
    """Itself, not its address: an engine that fetches for strangers reaches what strangers must not."""

    url: Annotated[str, Meta(pattern=r"^data:image/")]
    detail: Literal["auto", "low", "high"] | None = None


class ImagePart(Struct, tag_field="type", tag="image_url", forbid_unknown_fields=True):
    image_url: Image


class CalledFunction(Struct, forbid_unknown_fields=True):
    name: str
    arguments: str


class ToolCall(Struct, forbid_unknown_fields=True):
    id: str
    function: CalledFunction
    type: Literal["function"] = "function"
    index: int | None = None


class Message(Struct, forbid_unknown_fields=True):
    """Also an answer's message as it came, which clients send back: `annotations` and `audio` are only ever there."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[TextPart | RefusalPart | ImagePart] | None = None
    name: str | None = None
    tool_calls: list[ToolCall] | None = None
    tool_call_id: str | None = None
    function_call: CalledFunction | None = None
    refusal: str | None = None
    annotations: list[JSONObject] | None = None
    audio: None = None
    reasoning: str | None = None
    reasoning_content: str | None = None


class Function(Struct, forbid_unknown_fields=True):
    name: Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[a-zA-Z0-9_.-]+$")]
    description: str | None = None
    parameters: JSONObject | None = None
    strict: bool | None = None


class Tool(Struct, tag_field="type", tag="function", forbid_unknown_fields=True):
    function: Function


class JSONSchema(Struct, forbid_unknown_fields=True):
    name: Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[a-zA-Z0-9_-]+$")]
    description: str | None = None
    schema: JSONObject | None = None
    strict: bool | None = None


class ResponseFormat(Struct, forbid_unknown_fields=True):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: JSONSchema | None = None


class ChatRequest(Searching, Request, kw_only=True):
    LOCAL: ClassVar[frozenset[str]] = Request.LOCAL | {
        "metadata",
        "prompt_cache_key",
        "prompt_cache_retention",
        "safety_identifier",
        "service_tier",
        "store",
        "modalities",
        "prediction",
    }

    messages: Annotated[list[Message], Meta(min_length=1, max_length=10_000)]
    frequency_penalty: Penalty | None = None
    function_call: Literal["none", "auto"] | JSONObject | None = None
    functions: Annotated[list[Function], Meta(min_length=1, max_length=128)] | None = None
    logit_bias: LogitBias | None = None
    logprobs: bool | None = None
    max_completion_tokens: Positive | None = None
    max_tokens: Positive | None = None
    metadata: Annotated[dict[str, Annotated[str, Meta(max_length=512)]], Meta(max_length=16)] | None = None
    modalities: list[Literal["text"]] | None = None
    n: Choices | None = None
    parallel_tool_calls: bool | None = None
    prediction: JSONObject | None = None
    presence_penalty: Penalty | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: str | None = None
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh"] | None = None
    response_format: ResponseFormat | None = None
    safety_identifier: EndUser | None = None
    seed: Seed | None = None
    service_tier: Literal["auto", "default", "flex", "scale", "priority"] | None = None
    stop: Stop = None
    store: bool | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: Temperature | None = None
    tool_choice: Literal["none", "auto", "required"] | JSONObject | None = None
    tools: Annotated[list[Tool | FileSearchTool], Meta(max_length=128)] | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    top_p: Probability | None = None
    verbosity: Literal["low", "medium", "high"] | None = None

    @property
    def output_limit(self) -> int | None:
        return self.max_completion_tokens if self.max_completion_tokens is not None else self.max_tokens

    @property
    def questions(self) -> list[str]:
        """The user's last message, and the last two together: what is asked may lean on what was."""
        return questions_of([_words(message.content) for message in self.messages if message.role == "user"])

    @property
    def choices(self) -> int:
        return self.n or 1

    def json_schemas(self) -> list[tuple[str, JSONObject]]:
        found = []
        if self.response_format and self.response_format.json_schema:
            found.append(("response_format.json_schema.schema", self.response_format.json_schema.schema))
        for place, tool in enumerate(self.tools or ()):
            if isinstance(tool, Tool):
                found.append((f"tools[{place}].function.parameters", tool.function.parameters))
        for place, function in enumerate(self.functions or ()):
            found.append((f"functions[{place}].parameters", function.parameters))
        return [(at, schema) for at, schema in found if schema is not None]

    def free_forms(self) -> list[tuple[str, JSONObject]]:
        found = [("tool_choice", self.tool_choice), ("function_call", self.function_call)]
        notes = [
            (f"messages[{place}].annotations", note)
            for place, message in enumerate(self.messages)
            for note in message.annotations or ()
        ]
        return [(at, value) for at, value in (*found, *notes) if isinstance(value, dict)]

    def inconsistency(self) -> tuple[str, str] | None:
        """(field, sentence) of fields that do not go together, as OpenAI refuses them."""
        if self.top_logprobs and not self.logprobs:
            return "top_logprobs", "top_logprobs needs logprobs to be true."
        if self.stream_options is not None and not self.stream:
            return "stream_options", "stream_options is only for stream: true."
        if self.max_tokens is not None and self.max_completion_tokens is not None:
            return "max_tokens", "Give max_completion_tokens or max_tokens, not both."
        if self.response_format and (self.response_format.type == "json_schema") != bool(
            self.response_format.json_schema
        ):
            return (
                "response_format",
                "response_format needs json_schema for the type json_schema, and only for it.",
            )
        return None


def _words(content: str | list[TextPart | RefusalPart | ImagePart] | None) -> str:
    if isinstance(content, list):
        return "\n".join(part.text for part in content if isinstance(part, TextPart))
    return content or ""
