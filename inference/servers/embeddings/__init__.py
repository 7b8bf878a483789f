"""The embeddings engine: OpenAI's /v1/embeddings over ONNX or sentence-transformers."""
