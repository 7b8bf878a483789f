"""Makes people without their asking: the first administrator of a new platform."""

import secrets

from apps.accounts.models import User


def ensure_administrator(*, email: str, first_password: str | None) -> tuple[int, str | None]:
    """(user id, password) of the administrator with this address; one is made where there is none.

    `first_password` is what an earlier call returned. It is returned again only while it still opens the door: once
    the administrator has chosen another one, the password is None.
    """
    user = User.objects.filter(email=email).first()
    if user is None:
        password = secrets.token_urlsafe(12)
        return User.objects.create_superuser(email, password).pk, password
    return user.pk, first_password if first_password and user.check_password(first_password) else None
