"""Makes responses, at once or in the background, and keeps, cancels and deletes them."""

from apps.responses.services.background import begin_in_background, cancel_response
from apps.responses.services.kept import delete_expired, delete_response, make_room
from apps.responses.services.responding import respond, respond_in_background
from apps.responses.services.run import run_waiting_responses

__all__ = [
    "begin_in_background",
    "cancel_response",
    "delete_expired",
    "delete_response",
    "make_room",
    "respond",
    "respond_in_background",
    "run_waiting_responses",
]
