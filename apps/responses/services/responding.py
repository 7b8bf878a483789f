"""Answers with responses that are ours to keep and to continue."""

from dataclasses import replace

from apps.common.database import in_thread
from apps.gateway import services as gateway
from apps.gateway.contracts import Answer, Call
from apps.responses.contracts import Asked, Errand, Found, Item
from apps.responses.draft import Draft, answered, encode
from apps.responses.items import as_items, conversation
from apps.responses.keeping import Keeper, KeptStream
from apps.responses.selectors import past_of


async def respond(call: Call, asked: Asked) -> Answer:
    """Answers one call, its conversation included. Raises ArtemisError before anything was sent.

    An engine is told the whole conversation and keeps nothing of it: replicas do not know each other's.
    """
    call, items = await with_conversation(call, asked)
    keeper = Keeper(call, Draft(call.model.public_name, asked), items)
    answer = await gateway.complete(call)
    if answer.stream is not None:
        return replace(answer, stream=KeptStream(answer.stream, keeper))
    return replace(answer, body=encode(await keeper.finished(answer.body)))


async def respond_in_background(call: Call, asked: Asked, errand: Errand) -> Answer:
    """The same for a response that was taken on before; it is not kept here. Raises ArtemisError."""
    draft = Draft(call.model.public_name, asked, id=errand.response_id, created_at=errand.created_at)
    call, _ = await with_conversation(call, asked)
    answer = await gateway.complete(replace(call, counted=True))
    return replace(answer, body=encode(draft.finished(answered(answer.body))))


async def with_conversation(call: Call, asked: Asked) -> tuple[Call, list[Item]]:
    """The call with all that an engine is told, and the items that are new in it. Raises Invalid or Unavailable."""
    items = as_items(asked.given)
    if asked.found:
        call = _told(call, asked.found)
    if not asked.previous_response_id:
        given = asked.given if isinstance(asked.given, str) else conversation([], items)
        return replace(call, payload={**call.payload, "input": given, "store": False}), items
    key, public_id = call.key, asked.previous_response_id
    past = await in_thread(lambda: past_of(account_id=key.account_id, project_id=key.project_id, public_id=public_id))
    payload = {**call.payload, "input": conversation(past.items, items), "store": False}
    return replace(call, payload=payload, prompt_bytes=call.prompt_bytes + past.size), items


def _told(call: Call, found: Found) -> Call:
    instructions = "\n\n".join(filter(None, (call.payload.get("instructions"), found.told)))
    payload = {**call.payload, "instructions": instructions}
    return replace(call, payload=payload, prompt_bytes=call.prompt_bytes + len(found.told.encode()))
