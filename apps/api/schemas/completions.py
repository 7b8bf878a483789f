"""POST /v1/completions, by https://platform.openai.com/docs/api-reference/completions/create"""

from typing import Annotated

from msgspec import Meta

from apps.api.schemas.fields import (
    Choices,
    LogitBias,
    Penalty,
    Probability,
    Request,
    Seed,
    Stop,
    StreamOptions,
    Temperature,
    Texts,
    count_texts,
)


class CompletionRequest(Request, kw_only=True):
    prompt: Texts
    best_of: Choices | None = None
    echo: bool | None = None
    frequency_penalty: Penalty | None = None
    logit_bias: LogitBias | None = None
    logprobs: Annotated[int, Meta(ge=0, le=5)] | None = None
    max_tokens: Annotated[int, Meta(ge=0, le=2**31 - 1)] | None = None
    n: Choices | None = None
    presence_penalty: Penalty | None = None
    seed: Seed | None = None
    stop: Stop = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    suffix: str | None = None
    temperature: Temperature | None = None
    top_p: Probability | None = None

    @property
    def output_limit(self) -> int | None:
        return self.max_tokens

    @property
    def choices(self) -> int:
        """Answers generated, whether or not they are shown."""
        return count_texts(self.prompt) * max(self.n or 1, self.best_of or 1)

    def inconsistency(self) -> tuple[str, str] | None:
        """(field, sentence) of fields that do not go together, as OpenAI refuses them."""
        if not count_texts(self.prompt):
            return (
                "prompt",
                "prompt takes a text, texts, tokens, or lists of tokens; a list is all of one kind.",
            )
        if self.stream_options is not None and not self.stream:
            return "stream_options", "stream_options is only for stream: true."
        if self.best_of is not None and self.best_of < (self.n or 1):
            return "best_of", "best_of must be at least n."
        if self.best_of is not None and self.best_of > 1 and self.stream:
            return "best_of", "best_of cannot be streamed."
        return None
