"""Projects: one for each application of the account."""

from dataclasses import asdict

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from apps.accounts import selectors, services
from apps.accounts.contracts import Permission
from apps.alerts.selectors import budgets_by_reference
from apps.common.errors import Forbidden, Invalid
from apps.portal.access import MemberRequest, member_page
from apps.portal.forms import show_error
from apps.portal.forms.people import ProjectForm


@require_http_methods(["GET", "POST"])
@member_page()
def project_list(request: MemberRequest) -> HttpResponse:
    form = ProjectForm(request.POST or None)
    if request.method == "POST":
        if Permission.PROJECTS not in request.account.permissions:
            raise Forbidden("Your role does not let you create projects. Ask an owner or an admin.")
        if form.is_valid():
            try:
                project = services.create_project(account_id=request.account.id, **form.cleaned_data)
            except Invalid as error:
                show_error(form, error)
            else:
                messages.success(request, f"“{project.name}” is ready for its first key.")
                return redirect("portal:projects", slug=request.account.slug)
    projects = selectors.projects_of_account(account_id=request.account.id, archived=True)
    budgets = budgets_by_reference(account_id=request.account.id, scope="project")
    return render(request, "portal/projects.html", {"form": form, "projects": projects, "budgets": budgets})


@require_http_methods(["GET", "POST"])
@member_page(Permission.PROJECTS)
def edit_project(request: MemberRequest, project: str) -> HttpResponse:
    row = selectors.project_of_account(account_id=request.account.id, slug=project)
    form = ProjectForm(request.POST or None, initial=asdict(row))
    if request.method == "POST" and form.is_valid():
        try:
            services.update_project(account_id=request.account.id, slug=project, **form.cleaned_data)
        except Invalid as error:
            show_error(form, error)
        else:
            messages.success(request, "Saved.")
            return redirect("portal:projects", slug=request.account.slug)
    return render(request, "portal/project_form.html", {"form": form, "project": row})


@require_POST
@member_page(Permission.PROJECTS)
def archive(request: MemberRequest, project: str) -> HttpResponse:
    try:
        services.archive_project(account_id=request.account.id, slug=project)
    except Invalid as error:
        messages.error(request, error.message)
    else:
        messages.success(request, "The project is archived. Its keys are refused until it is restored.")
    return redirect("portal:projects", slug=request.account.slug)


@require_POST
@member_page(Permission.PROJECTS)
def restore(request: MemberRequest, project: str) -> HttpResponse:
    services.restore_project(account_id=request.account.id, slug=project)
    messages.success(request, "The project is back, and so are its keys.")
    return redirect("portal:projects", slug=request.account.slug)
