"""Checks of what a roll-out must not break: migrations suit the release that still runs."""
