"""The page of one vector store: its files, how far each is read, and what is done with them."""

import zlib
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.accounts.contracts import Permission
from apps.common.errors import ArtemisError
from apps.files.services import upload_file
from apps.keys import selectors as keys
from apps.keys.contracts import KeyFacts
from apps.knowledge import selectors, services
from apps.knowledge.contracts import STATUSES, StoreFacts, ToAttach
from apps.portal.access import MemberRequest, member_page
from apps.portal.forms.knowledge import ModelForm, UploadForm
from apps.portal.views.knowledge.finding import (
    address_of,
    document_of_request,
    key_of_store,
    project_of_store,
    store_of_request,
)
from apps.portal.views.knowledge.model_changes import embedding_models

A_PAGE = 50


@require_safe
@member_page()
def store_page(request: MemberRequest, store: str) -> HttpResponse:
    facts = store_of_request(request, store)
    context = {
        "upload_form": UploadForm(),
        "most_bytes": settings.FILES_MAX_DOCUMENT_BYTES,
        "most_at_once": settings.PORTAL_MAX_UPLOAD_BYTES,
        "model_form": _model_form(request, facts),
        **_files(request, facts),
        **_around(request, facts),
    }
    return render(request, "portal/knowledge/store.html", context)


@require_safe
@member_page()
def progress(request: MemberRequest, store: str) -> HttpResponse:
    """The part of the page that renews itself; 204 while nothing has changed."""
    facts = store_of_request(request, store)
    context = _files(request, facts)
    seen = request.GET.get("seen", "")
    if seen == context["fingerprint"]:
        return HttpResponse(status=204)
    context["renews"] = True
    context["has_moved"] = seen.partition("-")[0] != context["fingerprint"].partition("-")[0]
    return render(request, "portal/knowledge/progress.html", {**context, **_around(request, facts)})


@require_POST
@member_page(Permission.KEYS)
def upload(request: MemberRequest, store: str) -> HttpResponse:
    facts = store_of_request(request, store)
    form = UploadForm(request.POST, request.FILES)
    if form.is_valid():
        key, taken = _key(request, facts), 0
        for file in form.cleaned_data["chosen"]:
            try:
                _take(request, facts, key, file)
            except ArtemisError as error:
                messages.error(request, f"“{file.name}”: {error.message}")
            else:
                taken += 1
        if taken:
            messages.success(request, "1 file is being read." if taken == 1 else f"{taken} files are being read.")
    else:
        for said in form.errors["chosen"]:
            messages.error(request, str(said))
    return _back(request, store)


@require_POST
@member_page(Permission.KEYS)
def retry(request: MemberRequest, store: str, file: str) -> HttpResponse:
    facts = store_of_request(request, store)
    document = document_of_request(request, facts, file)
    wanted = ToAttach(file_id=file, attributes=document.attributes, chunking=document.chunking)
    try:
        services.attach(key=_key(request, facts), address=address_of(request), store_id=store, file=wanted)
    except ArtemisError as error:
        messages.error(request, f"“{document.filename}”: {error.message}")
    else:
        messages.success(request, f"“{document.filename}” is read again.")
    return _back(request, store)


@require_http_methods(["GET", "POST"])
@member_page(Permission.KEYS)
def remove(request: MemberRequest, store: str, file: str) -> HttpResponse:
    facts = store_of_request(request, store)
    document = document_of_request(request, facts, file)
    if request.method == "POST":
        services.remove(
            account_id=request.account.id, project_id=facts.project_id, store_id=store, file_id=document.file_id
        )
        messages.success(request, f"“{document.filename}” is no longer in this store.")
        return _back(request, store)
    return render(request, "portal/knowledge/file_remove.html", {"store": facts, "document": document})


def _around(request: MemberRequest, store: StoreFacts) -> dict[str, Any]:
    return {"key": key_of_store(request, store), "project": project_of_store(request, store)}


def _model_form(request: MemberRequest, store: StoreFacts) -> ModelForm | None:
    """None where there is no other model, or nobody who may choose it."""
    others = [name for name in embedding_models(request) if name != store.embedding_model]
    may_change = Permission.KEYS in request.account.permissions and store.status != "expired"
    return ModelForm(models=others) if others and may_change else None


def _files(request: MemberRequest, store: StoreFacts) -> dict[str, Any]:
    status = request.GET.get("status", "")
    status = status if status in STATUSES else ""
    after = request.GET.get("after", "")
    documents, more = selectors.documents_of_store(
        account_id=request.account.id,
        project_id=store.project_id,
        store_id=store.public_id,
        limit=A_PAGE,
        status=status,
        after=after,
    )
    asked = {"status": status, "after": after}
    counts = store.counts
    is_changing = store.reembedding is not None and store.reembedding.status == "in_progress"
    seen = repr((documents, store.reembedding, store.embedding_model))
    state = f"{counts.completed}.{counts.failed}.{counts.cancelled}.{counts.in_progress}"
    return {
        "store": store,
        "documents": documents,
        "older": documents[-1].file_id if more else "",
        "asked": asked,
        "address": urlencode({name: value for name, value in asked.items() if value}),
        "fingerprint": f"{state}-{zlib.crc32(seen.encode()):08x}",
        "is_moving": counts.in_progress > 0 or is_changing,
    }


def _take(request: MemberRequest, store: StoreFacts, key: KeyFacts, file: "UploadedFile[bytes]") -> None:
    """Both or neither: a file that the store does not take is not kept. Raises ArtemisError."""
    with transaction.atomic():
        kept = upload_file(
            account_id=request.account.id,
            project_id=store.project_id,
            name=file.name or "",
            content=file.chunks(),
            size=file.size or 0,
            purpose="assistants",
        )
        services.attach(
            key=key, address=address_of(request), store_id=store.public_id, file=ToAttach(file_id=kept.public_id)
        )


def _key(request: MemberRequest, store: StoreFacts) -> KeyFacts:
    row = key_of_store(request, store)
    return keys.facts_of_key(account_id=request.account.id, public_id=row.public_id)


def _back(request: MemberRequest, store: str) -> HttpResponse:
    return redirect("portal:store", slug=request.account.slug, store=store)
