"""What a plan cannot be made of."""


class PlanError(Exception):
    """The message says which entry is wrong, and what to do."""
