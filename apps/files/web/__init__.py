"""Fetches pages of the web that callers name."""
