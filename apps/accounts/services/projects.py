"""Makes and changes projects."""

from typing import Unpack

from django.db import transaction
from django.utils import timezone

from apps.accounts.contracts import MoreOfBudget, ProjectRow
from apps.accounts.models import Account, Project
from apps.accounts.selectors import project_row
from apps.accounts.services.limits import BUDGET_FIELDS, check_values
from apps.accounts.services.naming import clean_name, free_slug
from apps.accounts.services.revisions import raise_revision
from apps.common.errors import Invalid, NotFound


def create_project(
    *, account_id: int, name: str, monthly_budget: int | None = None, **more: Unpack[MoreOfBudget]
) -> ProjectRow:
    """Raises Invalid where the account has a project of this name already."""
    name = clean_name(name)
    budget = {"monthly_budget": monthly_budget, **more}
    check_values(budget, BUDGET_FIELDS)
    with transaction.atomic():
        _lock(account_id)
        _refuse_taken_name(account_id, name)
        slug = free_slug(Project.objects.filter(account_id=account_id), name, fallback="project")
        return project_row(Project.objects.create(account_id=account_id, slug=slug, name=name, **budget))


def update_project(
    *, account_id: int, slug: str, name: str, monthly_budget: int | None, **more: Unpack[MoreOfBudget]
) -> None:
    """What is not named of its budget stays as it is."""
    name = clean_name(name)
    budget = {"monthly_budget": monthly_budget, **more}
    check_values(budget, BUDGET_FIELDS)
    with transaction.atomic():
        _lock(account_id)
        project = _project(account_id, slug)
        _refuse_taken_name(account_id, name, besides=project)
        Project.objects.filter(pk=project.pk).update(name=name, updated_at=timezone.now(), **budget)
        raise_revision(account_id)


def archive_project(*, account_id: int, slug: str) -> None:
    """Stops its keys and takes it out of lists; what it used stays on record. The last one cannot go."""
    with transaction.atomic():
        _lock(account_id)
        project = _project(account_id, slug)
        if not Project.objects.filter(account_id=account_id, archived_at=None).exclude(pk=project.pk).exists():
            raise Invalid("project", "An account needs at least one project. Create another one first.")
        Project.objects.filter(pk=project.pk, archived_at=None).update(archived_at=timezone.now())
        raise_revision(account_id)


def restore_project(*, account_id: int, slug: str) -> None:
    with transaction.atomic():
        _lock(account_id)
        Project.objects.filter(pk=_project(account_id, slug).pk).update(archived_at=None)
        raise_revision(account_id)


def _lock(account_id: int) -> None:
    if Account.objects.select_for_update().filter(pk=account_id).first() is None:
        raise NotFound("There is no such account.")


def _project(account_id: int, slug: str) -> Project:
    project = Project.objects.filter(account_id=account_id, slug=slug).first()
    if project is None:
        raise NotFound("There is no such project in this account.")
    return project


def _refuse_taken_name(account_id: int, name: str, besides: Project | None = None) -> None:
    others = Project.objects.filter(account_id=account_id, name__iexact=name)
    if besides is not None:
        others = others.exclude(pk=besides.pk)
    if others.exists():
        raise Invalid("name", "This account has a project of this name already. Choose another one.")
