"""Reads what stands in deploy/ as a cluster would, without one, and holds migrations to what a roll-out allows."""
