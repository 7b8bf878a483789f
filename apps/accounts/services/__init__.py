"""Everything that changes accounts, their members, invitations and projects."""

from apps.accounts.services.accounts import create_account, ensure_account, rename_account, set_account_budget
from apps.accounts.services.invitations import accept_invitation, invite_member, revoke_invitation
from apps.accounts.services.members import change_role, remove_member
from apps.accounts.services.projects import archive_project, create_project, restore_project, update_project

__all__ = [
    "accept_invitation",
    "archive_project",
    "change_role",
    "create_account",
    "create_project",
    "ensure_account",
    "invite_member",
    "remove_member",
    "rename_account",
    "restore_project",
    "revoke_invitation",
    "set_account_budget",
    "update_project",
]
