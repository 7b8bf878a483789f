"""The cases: what is asked of every gateway, and how often."""

import json
from dataclasses import dataclass

PROMPT = "Tell me about the moon, in a few words."


@dataclass(frozen=True)
class Case:
    name: str
    tokens: int
    """Of the answer; a stream has a chunk for each."""
    is_stream: bool = False
    prompt: str = PROMPT
    share: float = 1.0
    """Of the requests that the run is asked for: long answers are asked for less often."""

    def body(self, model: str) -> bytes:
        request = {
            "model": model,
            "messages": [
                {"role": "system", "content": "You are a helpful assistant."},
                {"role": "user", "content": self.prompt},
            ],
            "max_tokens": self.tokens,
            "stream": self.is_stream,
        }
        return json.dumps(request).encode()

    @property
    def last_words(self) -> bytes:
        """Of the fake engine's answer, which numbers its tokens."""
        return f"token {self.tokens}".encode()


WHOLE = Case("whole", 64)
STREAM_64 = Case("stream-64", 64, is_stream=True, share=0.3)
STREAM_512 = Case("stream-512", 512, is_stream=True, share=0.05)
PROMPT_100K = Case("prompt-100k", 64, prompt=(PROMPT + " ") * (100_000 // (len(PROMPT) + 1)), share=0.3)
CASES = {case.name: case for case in (WHOLE, STREAM_64, STREAM_512, PROMPT_100K)}

SLOW_STREAM = Case("open-500", 300, is_stream=True)  # fifteen seconds: long enough for the last to begin
SLOW_STREAMS = 500
SLOW_TOKENS_PER_SECOND = 20
