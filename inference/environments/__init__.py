"""One isolated Python environment per kind of engine, each with a hashed lock file of its own."""
