"""Runs one stage within the platform's settings; prints, as JSON, what it says and the CPU and memory that it took."""

import json
import resource
import sys
import time
from importlib import import_module
from pathlib import Path

import django


def main() -> None:
    module, name, arguments = sys.argv[1:]
    django.setup()
    run = getattr(import_module(module), name)
    before = resident_mb()
    began = time.process_time()
    said = run(*json.loads(arguments))
    used = time.process_time() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({**said, "cpu": used, "mb": before, "peak_mb": peak}))


def resident_mb() -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:"))


if __name__ == "__main__":
    main()
