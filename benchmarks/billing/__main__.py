"""`make bench-billing`: how fast use becomes a bill, and what a year of it costs the portal's usage page."""

import argparse
import sys

from benchmarks.machine import Machine, machine

LEAST_PER_SECOND = 5000
MOST_MS = 200.0
STREAM, HISTORY = "benchmarks.billing.stream", "benchmarks.billing.history"


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.billing", description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000, help="settled, drained and posted")
    parser.add_argument("--rows", type=int, default=10_000_000, help="of the year before, for the usage page; 0: none")
    parser.add_argument("--accounts", type=int, default=100)
    return parser.parse_args()


def main() -> int:
    options = parse()
    with machine() as servers:
        servers.stage(STREAM, "found", options.accounts)
        use_becomes_a_bill(servers, options.events)
        if options.rows:
            the_usage_page(servers, options.rows)
    return 0  # whatever the timings: another machine has others


def use_becomes_a_bill(servers: Machine, events: int) -> None:
    print("| stage | events | seconds | events/s | its CPU s | PostgreSQL's CPU s | MB before | most MB |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    seconds = 0.0
    for name in ("settle", "drain", "post"):
        done = servers.stage(STREAM, name, events)
        seconds += done["seconds"] if name != "settle" else 0
        cells = (
            *(name, str(events), f"{done['seconds']:.1f}", f"{events / done['seconds']:.0f}"),
            *(f"{done['cpu']:.1f}", f"{done['database_cpu']:.1f}", f"{done['mb']:.0f}", f"{done['peak_mb']:.0f}"),
        )
        print(f"| {' | '.join(cells)} |", flush=True)
    rate = events / seconds
    print(f"\nDrained, rolled up and posted: {rate:.0f} events/s; {LEAST_PER_SECOND} are wanted: {verdict(rate)}.")
    checked = servers.stage(STREAM, "check", events)
    print(f"{checked['events']} events recorded, {checked['transactions']} transactions, the ledger is sound.\n")


def the_usage_page(servers: Machine, rows: int) -> None:
    filled = servers.stage(HISTORY, "fill", rows)
    print(f"{filled['events']} events in {filled['months']} months, {filled['gb']:.1f} GB; the largest account has")
    print(
        f"{filled['largest']} of them, and {filled['hours']} rows of sums by hour. {filled['seconds']:.0f} s to make.\n"
    )
    print("| usage page of the largest account | queries | first ms | then ms | slowest query ms |")
    print("| --- | ---: | ---: | ---: | ---: |")
    worst = 0.0
    for page in servers.stage(HISTORY, "pages")["pages"]:
        worst = max(worst, page["first_ms"], page["then_ms"])
        print(
            f"| `{page['address']}` | {page['queries']} | {page['first_ms']:.1f} | {page['then_ms']:.1f} "
            f"| {page['slowest_ms']:.1f} |"
        )
    print(f"\nDatabase time of the slowest: {worst:.0f} ms; {MOST_MS:.0f} are allowed: {verdict(MOST_MS, worst)}.")


def verdict(measured: float, least: float = LEAST_PER_SECOND) -> str:
    return "reached" if measured >= least else "**missed**"


if __name__ == "__main__":
    sys.exit(main())
