"""Reads what stands in deploy/ as a cluster would, without one: renders, validates, answers who may speak to whom."""
