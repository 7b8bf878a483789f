"""Programs that an engine's own environment runs: they may import nothing from the platform's environment."""
