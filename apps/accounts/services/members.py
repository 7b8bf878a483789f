"""Changes what members may do. Only owners touch ownership, and an account never loses its last owner."""

from django.db import transaction

from apps.accounts.contracts import PERMISSIONS, Permission
from apps.accounts.models import Account, Membership, Role
from apps.common.errors import Forbidden, Invalid, NotFound


def add_member(*, account_id: int, user_id: int, role: str) -> None:
    """For staff; people themselves invite. Somebody who is a member already stays as they are."""
    if role not in Role.values:
        raise Invalid("role", f"Choose one of these roles: {', '.join(Role.values)}.")
    Membership.objects.get_or_create(account_id=account_id, user_id=user_id, defaults={"role": role})


def change_role(*, account_id: int, user_id: int, role: str, by_id: int | None) -> None:
    """By a member, or by staff (None). Raises Forbidden where it needs more rights, Invalid where no owner is left."""
    if role not in Role.values:
        raise Invalid("role", f"Choose one of these roles: {', '.join(Role.values)}.")
    with transaction.atomic():
        membership = _locked(account_id, user_id)
        require_rank(account_id=account_id, by_id=by_id, roles={membership.role, role})
        if role != Role.OWNER:
            _keep_an_owner(membership)
        Membership.objects.filter(pk=membership.pk).update(role=role)


def remove_member(*, account_id: int, user_id: int, by_id: int | None) -> None:
    """Ends a membership. Anybody may leave; removing somebody else needs the right to, which staff (None) have."""
    with transaction.atomic():
        membership = _locked(account_id, user_id)
        if user_id != by_id:
            require_rank(account_id=account_id, by_id=by_id, roles={membership.role})
        _keep_an_owner(membership)
        membership.delete()


def require_rank(*, account_id: int, by_id: int | None, roles: set[str]) -> None:
    """Raises Forbidden unless the person, or staff (None), may give and take these roles."""
    if by_id is None:
        return
    membership = Membership.objects.filter(account_id=account_id, user_id=by_id).first()
    granted = PERMISSIONS[membership.role] if membership else frozenset()
    if Permission.MEMBERS not in granted:
        raise Forbidden("Your role does not let you manage members. Ask an owner or an admin.")
    if Role.OWNER in roles and Permission.OWNERSHIP not in granted:
        raise Forbidden("Only an owner may make, change or remove owners.")


def _locked(account_id: int, user_id: int) -> Membership:
    """The account's row is locked first, so that two owners cannot leave at the same moment."""
    if Account.objects.select_for_update().filter(pk=account_id).first() is None:
        raise NotFound("There is no such account.")
    membership = Membership.objects.filter(account_id=account_id, user_id=user_id).first()
    if membership is None:
        raise NotFound("This person is not a member of this account.")
    return membership


def _keep_an_owner(membership: Membership) -> None:
    owners = Membership.objects.filter(account_id=membership.account_id, role=Role.OWNER)
    if membership.role == Role.OWNER and not owners.exclude(pk=membership.pk).exists():
        raise Invalid("role", "An account needs an owner. Make somebody else an owner first.")
