"""Whether prompts are logged, and for how long; and an end to all that were."""

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from apps.accounts.contracts import Permission
from apps.portal.access import MemberRequest, member_page
from apps.portal.forms.people import PromptLogForm
from apps.portal.views.settings import settings_page
from apps.prompts import services


@require_POST
@member_page(Permission.SETTINGS)
def log(request: MemberRequest) -> HttpResponse:
    form = PromptLogForm(request.POST, most=settings.PROMPT_LOG_MAX_DAYS)
    if not form.is_valid():
        return settings_page(request, prompt_form=form)
    days = form.cleaned_data["days"]
    services.log_for(account_id=request.account.id, days=days)
    said = "Saved. Prompts are logged from the next call on." if days else "Saved. No more prompts are logged."
    messages.success(request, said)
    return redirect("portal:settings", slug=request.account.slug)


@require_POST
@member_page(Permission.SETTINGS)
def delete(request: MemberRequest) -> HttpResponse:
    services.delete_all(account_id=request.account.id)
    messages.success(request, "All logged prompts are deleted.")
    return redirect("portal:settings", slug=request.account.slug)
