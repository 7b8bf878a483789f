"""The dialects that callers and engines speak, by endpoint."""

from apps.gateway.metering import Wire
from apps.gateway.wires import messages, openai, rerank, responses

WIRES: dict[str, Wire] = {
    wire.endpoint: wire
    for wire in (
        openai.CHAT,
        openai.COMPLETIONS,
        openai.EMBEDDINGS,
        messages.MESSAGES,
        responses.RESPONSES,
        rerank.RERANK,
    )
}
