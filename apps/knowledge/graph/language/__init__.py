"""Finds names and relations in passages. It runs in a process of its own and knows nothing of the platform."""
