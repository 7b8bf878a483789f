"""What the server and the handlers of requests agree on, beyond ASGI."""

WHEN_GONE = "artemis.when_gone"
"""In a scope: the set of what is called when the caller hangs up; of a connection, not of a request."""
