"""Where Stripe says that something has changed: believed by its signature, answered once the event is kept."""

import uuid

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from apps.billing import services
from apps.common.errors import ArtemisError
from apps.portal.access import limited

MOST_BYTES = 1_000_000


@csrf_exempt
@require_POST
@limited("1200/m", key="ip")
def webhook(request: HttpRequest, number: uuid.UUID) -> HttpResponse:
    if int(request.META.get("CONTENT_LENGTH") or 0) > MOST_BYTES:
        return JsonResponse({"error": {"message": "An event is never so large.", "code": "too_large"}}, status=413)
    try:
        services.receive_event(
            endpoint=str(number), body=request.body, signature=request.headers.get("Stripe-Signature", "")
        )
    except ArtemisError as error:
        return JsonResponse({"error": {"message": error.message, "code": error.code}}, status=error.status)
    return JsonResponse({"received": True})
