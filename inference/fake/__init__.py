"""The fake engine: vLLM's protocol from a process of its own, with scripted faults. For tests only."""
