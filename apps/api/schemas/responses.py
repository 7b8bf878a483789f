"""POST /v1/responses, by https://platform.openai.com/docs/api-reference/responses/create"""

from typing import Annotated, Any, ClassVar, Literal

from msgspec import Meta, Struct

from apps.api.schemas.fields import EndUser, JSONObject, Positive, Probability, Request, Temperature
from apps.api.schemas.file_search import FileSearchTool, Searching
from apps.common.errors import Invalid
from apps.knowledge.services import questions_of

Status = Literal["in_progress", "completed", "incomplete"]
Identifier = Annotated[str, Meta(min_length=1, max_length=200)]
FunctionName = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[a-zA-Z0-9_.-]+$")]
LOGPROBS = "message.output_text.logprobs"
RESULTS = "file_search_call.results"


class InputText(Struct, tag_field="type", tag="input_text", forbid_unknown_fields=True):
    text: str


class InputImage(Struct, tag_field="type", tag="input_image", forbid_unknown_fields=True):
    """Itself, not its address: an engine that fetches for strangers reaches what strangers must not."""

    image_url: Annotated[str, Meta(pattern=r"^data:image/")]
    detail: Literal["auto", "low", "high", "original"] | None = None
    file_id: None = None


class OutputText(Struct, tag_field="type", tag="output_text", forbid_unknown_fields=True):
    text: str
    annotations: list[JSONObject] | None = None
    logprobs: list[JSONObject] | None = None


class Refusal(Struct, tag_field="type", tag="refusal", forbid_unknown_fields=True):
    refusal: str


class SummaryText(Struct, tag_field="type", tag="summary_text", forbid_unknown_fields=True):
    text: str


class ReasoningText(Struct, tag_field="type", tag="reasoning_text", forbid_unknown_fields=True):
    text: str


class Message(Struct, tag_field="type", tag="message", forbid_unknown_fields=True):
    """Also an answer's message as it came, which clients send back."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[InputText | InputImage | OutputText | Refusal]
    id: Identifier | None = None
    status: Status | None = None
    phase: Literal["commentary", "final_answer"] | None = None


class FunctionCall(Struct, tag_field="type", tag="function_call", forbid_unknown_fields=True):
    call_id: Identifier
    name: FunctionName
    arguments: str
    id: Identifier | None = None
    status: Status | None = None
    namespace: None = None
    caller: JSONObject | None = None


class FunctionCallOutput(Struct, tag_field="type", tag="function_call_output", forbid_unknown_fields=True):
    call_id: Identifier
    output: str | list[InputText | InputImage]
    id: Identifier | None = None
    status: Status | None = None


class Reasoning(Struct, tag_field="type", tag="reasoning", forbid_unknown_fields=True):
    summary: list[SummaryText]
    id: Identifier | None = None
    content: list[ReasoningText] | None = None
    encrypted_content: str | None = None
    status: Status | None = None


class FileSearchCall(Struct, tag_field="type", tag="file_search_call", forbid_unknown_fields=True):
    """A search of ours, as it came: clients send the whole output back."""

    queries: list[str]
    id: Identifier | None = None
    status: Literal["in_progress", "searching", "completed", "incomplete", "failed"] | None = None
    results: list[JSONObject] | None = None
    artemis: JSONObject | None = None


Item = Message | FunctionCall | FunctionCallOutput | Reasoning | FileSearchCall


class FunctionTool(Struct, tag_field="type", tag="function", forbid_unknown_fields=True):
    name: FunctionName
    parameters: JSONObject | None = None
    description: str | None = None
    strict: bool | None = None


class ChosenFunction(Struct, tag_field="type", tag="function", forbid_unknown_fields=True):
    name: FunctionName


class ChosenSearch(Struct, tag_field="type", tag="file_search", forbid_unknown_fields=True):
    pass


class TextFormat(Struct, tag_field="type", tag="text", forbid_unknown_fields=True):
    pass


class JSONFormat(Struct, tag_field="type", tag="json_object", forbid_unknown_fields=True):
    pass


class SchemaFormat(Struct, tag_field="type", tag="json_schema", forbid_unknown_fields=True):
    name: Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[a-zA-Z0-9_-]+$")]
    schema: JSONObject
    description: str | None = None
    strict: bool | None = None


class Text(Struct, forbid_unknown_fields=True):
    format: TextFormat | JSONFormat | SchemaFormat | None = None
    verbosity: Literal["low", "medium", "high"] | None = None


class ReasoningOptions(Struct, forbid_unknown_fields=True):
    effort: Literal["none", "minimal", "low", "medium", "high", "xhigh"] | None = None
    summary: Literal["auto", "concise", "detailed"] | None = None
    generate_summary: Literal["auto", "concise", "detailed"] | None = None


class ResponsesStreamOptions(Struct, forbid_unknown_fields=True):
    include_usage: ClassVar[bool] = True

    include_obfuscation: bool = False


def _forms(item: Item) -> list[JSONObject]:
    if isinstance(item, FunctionCall):
        return [item.caller or {}]
    if not isinstance(item, Message) or isinstance(item.content, str):
        return []
    told = [part for part in item.content if isinstance(part, OutputText)]
    return [form for part in told for form in (*(part.annotations or ()), *(part.logprobs or ()))]


class ResponsesRequest(Searching, Request, kw_only=True):
    LOCAL: ClassVar[frozenset[str]] = Request.LOCAL | {
        "background",
        "include",
        "max_tool_calls",
        "metadata",
        "previous_response_id",
        "prompt_cache_key",
        "prompt_cache_retention",
        "safety_identifier",
        "service_tier",
        "store",
    }

    input: str | Annotated[list[Item], Meta(min_length=1, max_length=10_000)]
    background: bool | None = None
    include: (
        list[
            Literal[
                "message.output_text.logprobs",
                "message.input_image.image_url",
                "reasoning.encrypted_content",
                "file_search_call.results",
            ]
        ]
        | None
    ) = None
    instructions: str | None = None
    max_output_tokens: Positive | None = None
    max_tool_calls: Positive | None = None
    metadata: Annotated[dict[str, Annotated[str, Meta(max_length=512)]], Meta(max_length=16)] | None = None
    parallel_tool_calls: bool | None = None
    previous_response_id: Identifier | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: str | None = None
    reasoning: ReasoningOptions | None = None
    safety_identifier: EndUser | None = None
    service_tier: Literal["auto", "default", "flex", "scale", "priority"] | None = None
    store: bool | None = None
    stream: bool | None = None
    stream_options: ResponsesStreamOptions | None = None
    temperature: Temperature | None = None
    text: Text | None = None
    tool_choice: Literal["none", "auto", "required"] | ChosenFunction | ChosenSearch | None = None
    tools: Annotated[list[FunctionTool | FileSearchTool], Meta(max_length=128)] | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    top_p: Probability | None = None
    truncation: Literal["auto", "disabled"] | None = None

    choices: ClassVar[int] = 1

    @property
    def output_limit(self) -> int | None:
        return self.max_output_tokens

    @property
    def questions(self) -> list[str]:
        """The user's last message, and the last two together: what is asked may lean on what was."""
        if isinstance(self.input, str):
            return [self.input]
        asked = [_words(item) for item in self.input if isinstance(item, Message) and item.role == "user"]
        return questions_of(asked)

    @property
    def wants_logprobs(self) -> bool:
        return LOGPROBS in (self.include or ())

    def json_schemas(self) -> list[tuple[str, JSONObject]]:
        found = [
            (f"tools[{place}].parameters", tool.parameters)
            for place, tool in enumerate(self.tools or ())
            if isinstance(tool, FunctionTool)
        ]
        if self.text and isinstance(self.text.format, SchemaFormat):
            found.append(("text.format.schema", self.text.format.schema))
        return [(at, schema) for at, schema in found if schema is not None]

    def free_forms(self) -> list[tuple[str, JSONObject]]:
        if isinstance(self.input, str):
            return []
        return [(f"input[{place}]", form) for place, item in enumerate(self.input) for form in _forms(item)]

    def inconsistency(self) -> tuple[str, str] | None:
        """(field, sentence) of what is not offered, or does not go together."""
        if self.background and self.store is False:
            return "store", "A response in the background is kept until it is read: leave store out."
        if self.background and self.stream:
            return (
                "stream",
                "A response in the background is not streamed here: leave stream out, and read it by its id.",
            )
        if self.stream_options is not None and not self.stream:
            return "stream_options", "stream_options is only for stream: true."
        return None


def with_types(body: dict[str, Any]) -> dict[str, Any]:
    """Messages may go without their type. Raises Invalid for OpenAI's hosted tools, which nothing here would run."""
    for place, tool in enumerate(_dicts(body.get("tools"))):
        if tool.get("type") not in ("function", "file_search"):
            raise Invalid(
                f"tools[{place}].type",
                f"Only tools of the types 'function' and 'file_search' are offered here, not "
                f"{str(tool.get('type'))[:60]!r}.",
            )
    given = body.get("input")
    if not isinstance(given, list):
        return body
    items = [
        {"type": "message", **item} if isinstance(item, dict) and "type" not in item and "role" in item else item
        for item in given
    ]
    return {**body, "input": items}


def _words(message: Message) -> str:
    if isinstance(message.content, str):
        return message.content
    return "\n".join(part.text for part in message.content if isinstance(part, InputText | OutputText))


def _dicts(values: Any) -> list[dict[str, Any]]:
    return [value for value in values if isinstance(value, dict)] if isinstance(values, list) else []
