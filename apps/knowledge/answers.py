"""What chat models answer."""

import msgspec

from apps.common.errors import Unavailable


class _Message(msgspec.Struct):
    content: str | None = None


class _Choice(msgspec.Struct):
    message: _Message


class _Answer(msgspec.Struct):
    choices: list[_Choice]


_decode = msgspec.json.Decoder(_Answer).decode


def text_of_chat(body: bytes) -> str:
    """Of a chat completion's first choice. Raises Unavailable where it cannot be read."""
    try:
        return _decode(body).choices[0].message.content or ""
    except (msgspec.DecodeError, IndexError) as error:  # of which a ValidationError is one
        raise Unavailable("The model's answer could not be read.", code="model_unavailable") from error
