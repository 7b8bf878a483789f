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
    "vector_stores": "Vector stores",
    "models": "Models",
    "organization": "Usage and costs of the account",
}
ONLY_WHERE_NAMED = frozenset({"organization"})
"""What a key that names no endpoints may not call: it tells of other keys' use."""
