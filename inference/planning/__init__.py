"""Which models fit on which GPUs, with how many sequences at once, and what vLLM is told then."""
