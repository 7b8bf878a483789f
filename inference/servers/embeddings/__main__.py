"""Starts the embeddings engine: `python -m inference.servers.embeddings --alias NAME --port N`."""

import argparse
import importlib
import os
import sys

import uvicorn

from inference.servers.embeddings.app import EmbeddingsApp
from inference.servers.embeddings.backend import Backend


def load(options: argparse.Namespace) -> Backend:
    """By name, because each backend's packages are installed only in its own environment."""
    if options.backend == "onnx":
        module = importlib.import_module("inference.servers.embeddings.onnx_backend")
        backend: Backend = module.OnnxBackend(threads=options.threads)
    else:
        module = importlib.import_module("inference.servers.embeddings.transformer_backend")
        backend = module.TransformerBackend(options.model, truncatable=options.truncatable)
    return backend


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backend", choices=["onnx", "sentence-transformers"], default="onnx")
    parser.add_argument("--model", help="folder, hub name or package:NAME, for sentence-transformers")
    parser.add_argument("--alias", required=True, help="the model's public name")
    parser.add_argument("--truncatable", action="store_true", help="the model was trained for shorter prefixes")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--threads", type=int, default=None)
    options = parser.parse_args()
    backend = load(options)
    app = EmbeddingsApp(backend, model=options.alias, api_key=os.environ.get("ARTEMIS_ENGINE_KEY"))
    # Keep-alive beyond the gateway's own idle limit, so that it is the gateway that closes idle connections.
    uvicorn.run(
        app,
        host=options.host,
        port=options.port,
        access_log=False,
        log_level="warning",
        timeout_keep_alive=120,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
