"""The fake engine: vLLM's protocol from its own process, with scripted faults. For tests and benchmarks only."""
