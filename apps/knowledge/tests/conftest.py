from apps.accounts.tests.cast import cast

__all__ = ["cast"]
