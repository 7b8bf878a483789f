"""/internal/authorize: whether a key may call, and from where, for the nginx in front, which lets nobody else ask it.

It says what is true of the key alone, admits nothing and counts against no limit: the request that follows does.
"""

from urllib.parse import quote

from apps.api.authentication import api_key
from apps.api.errors import OPENAI
from apps.api.http import Request, Response
from apps.common.errors import ArtemisError
from apps.gateway import services

CODE, MESSAGE = "x-artemis-error-code", "x-artemis-error-message"


async def authorize(request: Request) -> Response:
    """204, or the refusal that the caller is to hear: nginx reads headers alone, so it stands in these as well."""
    try:
        token = api_key(request.header(b"authorization"), request.header(b"x-api-key"))
        await services.authenticate_now(token, address=request.caller)
    except ArtemisError as error:
        response = OPENAI.error(error, request.request_id)
        response.headers[CODE] = error.code
        response.headers[MESSAGE] = quote(error.message)
        return response
    return Response(204)
