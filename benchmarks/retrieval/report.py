"""The tables: each row by a stage of its own, each goal beside what was measured."""

from benchmarks.machine import Machine

QUALITY, SPEED = "benchmarks.retrieval.quality", "benchmarks.retrieval.speed"
WEIGHTS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
USUAL = 0.5  # of a search that says nothing of weights
PUBLISHED = {
    ("scifact", "BM25"): ".679 to .687",
    ("scifact", "all-minilm-l6-v2"): ".645",
    ("scifact", "bge-m3"): ".644",
}
LEAST_GAIN, MOST_P50, MOST_P95, LEAST_RECALL, LEAST_RATE = 0.02, 50.0, 150.0, 0.95, 500.0


def quality_table(servers: Machine, collection: str, model: str, *, reranks: bool) -> None:
    filled = servers.stage(QUALITY, "fill")
    print(f"{collection}: {filled['documents']} documents, {filled['passages']} passages, {filled['failed']} failed;")
    print(f"uploaded in {filled['upload_seconds']:.0f} s, read in {filled['seconds']:.0f} s.\n", flush=True)
    trained = {weight: servers.stage(QUALITY, "rank", "train", weight)["ndcg"] for weight in WEIGHTS}
    best = max(trained, key=lambda weight: trained[weight])
    print("nDCG@10 of the training split by the weight of meaning: ", end="")
    print(", ".join(f"{weight} {_figure(ndcg)}" for weight, ndcg in trained.items()), end=".\n\n")
    print("| ranking | nDCG@10 | recall@20 | published nDCG@10 | ms a search |")
    print("| --- | ---: | ---: | ---: | ---: |", flush=True)
    words = _ranked(servers, "BM25", 0.0, PUBLISHED.get((collection, "BM25"), ""))
    meaning = _ranked(servers, model, 1.0, PUBLISHED.get((collection, model), ""))
    both = _ranked(servers, f"hybrid, {best} of meaning", best, "")
    if best != USUAL:
        _ranked(servers, f"hybrid, {USUAL} of meaning (the usual)", USUAL, "")
    if reranks:
        _ranked(servers, f"hybrid, {best} of meaning, reranked", best, "", "rerank")
    built = servers.stage(QUALITY, "build")
    _ranked(servers, f"hybrid, {best} of meaning, widened along the graph", best, "", "graph")
    print(f"\nThe graph of {built['passages']} passages was built offline in {built['seconds']:.0f} s.", end=" ")
    print("A quarter of twenty results may be what lies further on along it.")
    if not reranks:
        print("Not reranked: no engine that does was named (--rerank-url, --rerank-model).")
    gain = both - max(words, meaning)
    print(f"\nHybrid beats the better half by {gain:.3f}; {LEAST_GAIN} is wanted: {_verdict(gain >= LEAST_GAIN)}.\n")


def speed_tables(servers: Machine, passages: int) -> None:
    filled = servers.stage(SPEED, "fill", passages)
    rate = filled["passages"] / filled["seconds"]
    print(f"{filled['passages']} passages in one store, filled in {filled['seconds']:.0f} s ({rate:.0f} a second), of")
    print(f"which reading is {filled['reading_seconds']:.0f} s of one processor; its index of vectors took", end=" ")
    print(f"{filled['index_seconds']:.0f} s. {LEAST_RATE:.0f} a second are wanted: {_verdict(rate >= LEAST_RATE)}.\n")
    print("| search | files it may see | p50 ms | p95 ms | results, at least |")
    print("| --- | --- | ---: | ---: | ---: |", flush=True)
    for name, weight in (("hybrid", USUAL), ("BM25", 0.0), ("vectors", 1.0)):
        for share in ("all", "50 %", "10 %", "1 %"):
            asked = servers.stage(SPEED, "ask", share, weight)
            print(
                f"| {name} | {share} | {asked['p50']:.1f} | {asked['p95']:.1f} | {asked['least']} |",
                flush=True,
            )
            if name == "hybrid" and share == "all":
                whole = asked
    reached = whole["p50"] <= MOST_P50 and whole["p95"] <= MOST_P95
    print(f"\nHybrid over all: {MOST_P50:.0f} and {MOST_P95:.0f} ms are allowed: {_verdict(reached)}.\n")
    print("| files it may see | passages | by | recall@10 | recall@100 |")
    print("| --- | ---: | --- | ---: | ---: |", flush=True)
    for share in ("all", "50 %", "10 %", "1 %"):
        ten, hundred = (servers.stage(SPEED, "compare", share, most) for most in (10, 100))
        by = "comparing each" if ten["is_compared"] else "the index"
        print(f"| {share} | {ten['passages']} | {by} | {ten['recall']:.3f} | {hundred['recall']:.3f} |", flush=True)
    print(f"\nOf the nearest, {LEAST_RECALL} are wanted where 1 % is seen: {_verdict(ten['recall'] >= LEAST_RECALL)}.")


def _ranked(servers: Machine, name: str, weight: float, published: str, then: str = "") -> float:
    row = servers.stage(QUALITY, "rank", "test", weight, then)
    print(f"| {name} | {_figure(row['ndcg'])} | {_figure(row['recall'])} | {published} | {row['ms']:.0f} |", flush=True)
    ndcg: float = row["ndcg"]
    return ndcg


def _figure(value: float) -> str:
    return f"{value:.3f}".removeprefix("0")


def _verdict(is_reached: bool) -> str:
    return "reached" if is_reached else "**missed**"
