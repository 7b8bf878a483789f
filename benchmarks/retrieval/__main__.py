"""`make bench-retrieval`: how good and how fast search over documents is."""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from benchmarks.machine import machine
from benchmarks.processes import ROOT
from benchmarks.retrieval.embedding import engine
from benchmarks.retrieval.report import quality_table, speed_tables
from inference.profiles import PROFILES

SCIFACT = ROOT.parent / "shared" / "collections" / "scifact"


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.retrieval", description=__doc__)
    parser.add_argument("--collection", type=Path, default=SCIFACT, help="a folder in BEIR's form")
    parser.add_argument("--engine", default="minilm", help="a profile of an embeddings engine")
    parser.add_argument("--passages", type=int, default=100_000, help="of the large store; 0: none is made")
    parser.add_argument("--rerank-url", default="", help="of an engine's /v1/rerank, for one row more")
    parser.add_argument("--rerank-model", default="", help="as the engine calls it")
    parser.add_argument("--only-speed", action="store_true", help="leave the quality out")
    return parser.parse_args()


def main() -> int:
    options = parse()
    folder = options.collection.resolve()
    if not (folder / "qrels" / "test.tsv").exists():
        print("There is no judged collection here; give a folder in BEIR's form by --collection.")
        return 0
    model = PROFILES[options.engine].model
    with engine(options.engine) as address, machine() as started:
        more = {
            "EMBEDDINGS_URL": address,
            "EMBEDDINGS_KEPT": str(ROOT / ".artemis" / "benchmarks" / "vectors.sqlite"),
            "EMBEDDING_MODEL": model,
            "COLLECTION": str(folder),
            "RERANK_URL": options.rerank_url,
            "RERANK_MODEL": options.rerank_model,
        }
        servers = replace(started, environment=started.environment | more)
        if not options.only_speed:
            quality_table(servers, folder.name, model, reranks=bool(options.rerank_url))
        if options.passages:
            speed_tables(servers, options.passages)
    return 0  # whatever the timings: another machine has others


if __name__ == "__main__":
    sys.exit(main())
