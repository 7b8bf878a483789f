from apps.accounts.tests.cast import cast
from apps.billing.tests.conftest import key

__all__ = ["cast", "key"]
