"""Everything that changes accounts, their members, invitations and projects."""

from apps.accounts.services.accounts import (
    create_account,
    ensure_account,
    forget_prompts,
    rename_account,
    set_account_budget,
    set_prompt_log_days,
)
from apps.accounts.services.invitations import accept_invitation, invite_member, revoke_invitation
from apps.accounts.services.letters import claim_mails, mail_letters, mail_to_people, write_letter
from apps.accounts.services.limits import save_tier, set_account_credit, set_account_limits, set_project_limits
from apps.accounts.services.members import add_member, change_role, remove_member
from apps.accounts.services.people import ensure_administrator
from apps.accounts.services.projects import archive_project, create_project, restore_project, update_project
from apps.accounts.services.suspension import resume_account, suspend_account

__all__ = [
    "accept_invitation",
    "add_member",
    "archive_project",
    "change_role",
    "claim_mails",
    "create_account",
    "create_project",
    "ensure_account",
    "ensure_administrator",
    "forget_prompts",
    "invite_member",
    "mail_letters",
    "mail_to_people",
    "remove_member",
    "rename_account",
    "restore_project",
    "resume_account",
    "revoke_invitation",
    "save_tier",
    "set_account_budget",
    "set_account_credit",
    "set_account_limits",
    "set_project_limits",
    "set_prompt_log_days",
    "suspend_account",
    "update_project",
    "write_letter",
]
