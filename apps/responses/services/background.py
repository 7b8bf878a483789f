"""What callers do with responses in the background: they are taken on at once, run later, and may be cancelled."""

from datetime import UTC, datetime
from functools import partial

from django.conf import settings
from django.db import transaction

from apps.common.database import in_thread
from apps.common.errors import Invalid, LimitExceeded
from apps.common.queue import enqueue
from apps.gateway import services as gateway
from apps.gateway.contracts import Answer, Call
from apps.responses.contracts import Asked, Item
from apps.responses.draft import Draft, encode, with_fields
from apps.responses.models import BackgroundRun, StoredResponse
from apps.responses.selectors import is_in_background, response_of
from apps.responses.services.responding import with_conversation

RUN = "responses.run"
WAIT_SECONDS = 5.0  # that make sense before one more is asked for, where too many wait


async def begin_in_background(call: Call, asked: Asked, request: bytes) -> Answer:
    """Takes on a response, whose request came as these bytes: it is checked and admitted as if it were answered now.

    Raises ArtemisError. What is refused later, when it is run, is told by the response's own `error`.
    """
    full, items = await with_conversation(call, asked)
    rates = await gateway.check_admission(full)
    draft = Draft(call.model.public_name, asked)
    body = encode(draft.queued())
    await in_thread(lambda: _take_on(call, draft, body, items, request))
    return Answer(body=body, headers=rates.headers() if rates else {})


@transaction.atomic
def _take_on(call: Call, draft: Draft, body: bytes, items: list[Item], request: bytes) -> None:
    most, waiting = settings.RESPONSES_MOST_WAITING, BackgroundRun.objects.filter(account_id=call.key.account_id)
    if waiting.count() >= most:
        message = f"{most} responses of this account wait in the background, as many as may; wait for some to end."
        raise LimitExceeded(message, code="too_many_background_responses", retry_after=WAIT_SECONDS)
    written = encode(items)
    row = StoredResponse.objects.create(
        public_id=draft.id,
        account_id=call.key.account_id,
        project_id=call.key.project_id,
        request_id=call.request_id,
        previous_id=draft.asked.previous_response_id,
        model=draft.model,
        body=body.decode(),
        items=written.decode(),
        size=len(body) + len(written) + len(request),
        created_at=datetime.fromtimestamp(draft.created_at, UTC),
    )
    BackgroundRun.objects.create(
        response=row,
        account_id=call.key.account_id,
        api_key_id=call.key.key_id,
        address=call.address[:60],
        end_user=call.end_user,
        limits=call.limits.finite(),
        request=request.decode(),
    )
    transaction.on_commit(partial(enqueue, RUN))


@transaction.atomic
def cancel_response(*, account_id: int, project_id: int, public_id: str) -> bytes:
    """Ends a response that runs or waits; one that has ended stays as it is. The response object as JSON.

    Raises NotFound, and Invalid for a response that was not made in the background.
    """
    rows = StoredResponse.objects.of(account_id, project_id, public_id)
    run = BackgroundRun.objects.select_for_update(of=("self",)).filter(response__in=rows).first()
    body = response_of(account_id=account_id, project_id=project_id, public_id=public_id)
    if run is not None:
        body = with_fields(body, status="cancelled")
        rows.update(body=body.decode())
        run.delete()
    elif not is_in_background(body):
        raise Invalid(None, "Only responses with background: true can be cancelled.", code="invalid_request")
    return body
