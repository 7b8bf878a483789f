"""The staff's pages of accounts, projects, people, invitations, and of what staff did."""

from apps.accounts.admin.accounts import AccountAdmin
from apps.accounts.admin.people import InvitationAdmin, LogAdmin, PersonAdmin, SecondFactorAdmin
from apps.accounts.admin.projects import ProjectAdmin
from apps.accounts.admin.tiers import TierAdmin

__all__ = [
    "AccountAdmin",
    "InvitationAdmin",
    "LogAdmin",
    "PersonAdmin",
    "ProjectAdmin",
    "SecondFactorAdmin",
    "TierAdmin",
]
