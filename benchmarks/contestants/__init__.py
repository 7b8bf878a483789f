"""Everyone who takes part, in the order of appearance."""

from benchmarks.contestants import artemis, engine, ferrogw, litellm, nginx, portkey, relay
from benchmarks.contestants.contestant import Start

CONTESTANTS: dict[str, Start] = {
    "engine": engine.start,
    "relay": relay.start,
    "nginx": nginx.start,
    "ferrogw": ferrogw.start,
    "portkey": portkey.start,
    "artemis": artemis.start,
    "litellm": litellm.start,
}
