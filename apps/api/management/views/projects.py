"""Projects: one for each consumer application."""

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts import selectors, services
from apps.accounts.contracts import Permission
from apps.api.management.base import AccountView, described, listed, shown
from apps.api.management.inputs import ProjectInput, ProjectQuery
from apps.api.management.outputs import ProjectListSerializer, ProjectSerializer

COLUMNS = {
    "monthly_budget_nano_usd": "monthly_budget",
    "total_budget_nano_usd": "total_budget",
    "budget_is_hard": "budget_is_hard",
}


def budget_of(values: dict[str, Any]) -> dict[str, Any]:
    """What was sent of a budget, as services name it."""
    return {COLUMNS[name]: value for name, value in values.items() if name in COLUMNS}


class ProjectsView(AccountView):
    needs = {"POST": Permission.PROJECTS}

    @described(
        operation_id="list_projects", tags=["projects"], parameters=[ProjectQuery], responses=ProjectListSerializer
    )
    def get(self, request: Request, slug: str) -> Response:
        """The account's projects."""
        archived = self.checked(ProjectQuery)["archived"]
        return listed(ProjectSerializer, selectors.projects_of_account(account_id=self.account.id, archived=archived))

    @described(
        operation_id="create_project", tags=["projects"], request=ProjectInput, responses={201: ProjectSerializer}
    )
    def post(self, request: Request, slug: str) -> Response:
        """Makes a project."""
        values = self.checked(ProjectInput)
        row = services.create_project(account_id=self.account.id, name=values["name"], **budget_of(values))
        return shown(ProjectSerializer, row, status=201)


class OneProjectView(AccountView):
    def answer(self, project: str) -> Response:
        return shown(ProjectSerializer, selectors.project_of_account(account_id=self.account.id, slug=project))


class ProjectView(OneProjectView):
    needs = {"PATCH": Permission.PROJECTS}

    @described(operation_id="get_project", tags=["projects"], responses=ProjectSerializer)
    def get(self, request: Request, slug: str, project: str) -> Response:
        """One project."""
        return self.answer(project)

    @described(operation_id="update_project", tags=["projects"], request=ProjectInput, responses=ProjectSerializer)
    def patch(self, request: Request, slug: str, project: str) -> Response:
        """Changes what is sent; the rest stays."""
        values = self.checked(ProjectInput, partial=True)
        row = selectors.project_of_account(account_id=self.account.id, slug=project)
        budget = {"monthly_budget": row.monthly_budget, **budget_of(values)}
        services.update_project(account_id=self.account.id, slug=project, name=values.get("name", row.name), **budget)
        return self.answer(project)


class ArchiveView(OneProjectView):
    needs = {"POST": Permission.PROJECTS}

    @described(operation_id="archive_project", tags=["projects"], request=None, responses=ProjectSerializer)
    def post(self, request: Request, slug: str, project: str) -> Response:
        """Refuses its keys until it is restored."""
        services.archive_project(account_id=self.account.id, slug=project)
        return self.answer(project)


class RestoreView(OneProjectView):
    needs = {"POST": Permission.PROJECTS}

    @described(operation_id="restore_project", tags=["projects"], request=None, responses=ProjectSerializer)
    def post(self, request: Request, slug: str, project: str) -> Response:
        """Lets its keys work again."""
        services.restore_project(account_id=self.account.id, slug=project)
        return self.answer(project)
