import pytest

from apps.accounts.tests.cast import Cast, cast
from apps.keys.contracts import KeyPolicy
from apps.keys.models import ApiKey
from apps.keys.services import create_key

__all__ = ["cast"]


@pytest.fixture
def key(cast: Cast) -> ApiKey:
    """Of Northwind."""
    issued = create_key(account_id=cast.northwind.id, project_slug="default", name="Chat", policy=KeyPolicy())
    return ApiKey.objects.get(public_id=issued.public_id)
