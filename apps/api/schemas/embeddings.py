"""POST /v1/embeddings, by https://platform.openai.com/docs/api-reference/embeddings/create"""

from typing import Annotated, Literal

from msgspec import Meta

from apps.api.schemas.fields import Request, Texts, count_texts


class EmbeddingRequest(Request, kw_only=True):
    input: Texts
    dimensions: Annotated[int, Meta(ge=1, le=16_384)] | None = None
    encoding_format: Literal["float", "base64"] | None = None

    stream = None
    output_limit = None
    choices = 1

    def inconsistency(self) -> tuple[str, str] | None:
        """(field, sentence) of what OpenAI refuses."""
        if not count_texts(self.input):
            return (
                "input",
                "input takes up to 2048 texts, or their tokens; a list is all of one kind, none empty.",
            )
        if self.input == "" or (isinstance(self.input, list) and "" in self.input):
            return "input", "input cannot contain an empty text."
        return None
