"""The names of the API's endpoints, as keys allow them and usage records them."""

ENDPOINTS: dict[str, str] = {
    "chat.completions": "Chat completions",
    "completions": "Completions",
    "responses": "Responses",
    "embeddings": "Embeddings",
    "messages": "Messages (Anthropic)",
    "rerank": "Rerank",
    "files": "Files",
    "batches": "Batches",
    "models": "Models",
}
