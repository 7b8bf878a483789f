"""The attributes of a file in a vector store, by which searches are narrowed."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from apps.accounts.contracts import Permission
from apps.knowledge import services
from apps.portal.access import MemberRequest, member_page
from apps.portal.forms.attributes import MOST, AttributesForm, attributes_of, initial_of
from apps.portal.views.knowledge.finding import document_of_request, store_of_request


@require_http_methods(["GET", "POST"])
@member_page(Permission.KEYS)
def attributes(request: MemberRequest, store: str, file: str) -> HttpResponse:
    facts = store_of_request(request, store)
    document = document_of_request(request, facts, file)
    rows = AttributesForm(request.POST if request.method == "POST" else None, initial=initial_of(document.attributes))
    if request.method == "POST" and rows.is_valid():
        services.change_attributes(
            account_id=request.account.id,
            project_id=facts.project_id,
            store_id=store,
            file_id=document.file_id,
            attributes=attributes_of(rows),
        )
        messages.success(request, f"The attributes of “{document.filename}” are changed.")
        return redirect("portal:document", slug=request.account.slug, store=store, file=document.file_id)
    context = {"store": facts, "document": document, "rows": rows, "most": MOST}
    return render(request, "portal/knowledge/attributes.html", context)
