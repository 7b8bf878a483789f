"""The dialects that callers and engines speak, by endpoint."""

from apps.gateway.metering import Wire
from apps.gateway.wires import openai, rerank

WIRES: dict[str, Wire] = {
    wire.endpoint: wire for wire in (openai.CHAT, openai.COMPLETIONS, openai.EMBEDDINGS, rerank.RERANK)
}
