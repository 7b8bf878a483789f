"""The pages' addresses."""

import re
from collections.abc import Callable
from urllib.parse import parse_qsl

from apps.billing.emulator.errors import StripeError
from apps.billing.emulator.pages import authentication, checkout, front, invoices, layout, portal, receipts
from apps.billing.emulator.pages.responses import Answer, File, Page, Redirect
from apps.billing.emulator.world import World
from inference import asgi

Typed = dict[str, str]
"""What stands in a form, or in the query."""
Handler = Callable[[World, str, Typed], Answer]
LARGEST_FORM = 1 << 16
POLICY = "default-src 'none'; style-src 'self'; img-src data:; frame-ancestors 'none'; base-uri 'none'"
ROUTES: tuple[tuple[str, str, Handler], ...] = (
    ("GET", r"/()", front.show),
    ("GET", r"/c/pay/(\w+)", checkout.show),
    ("POST", r"/c/pay/(\w+)", checkout.submit),
    ("GET", r"/authenticate/(\w+)", authentication.show),
    ("POST", r"/authenticate/(\w+)", authentication.submit),
    ("GET", r"/receipts/(\w+)", receipts.show),
    ("GET", r"/i/(\w+)", invoices.show),
    ("POST", r"/i/(\w+)", invoices.submit),
    ("GET", r"/i/(\w+)/pdf", invoices.document),
    ("GET", r"/p/session/(\w+)", portal.show),
    ("POST", r"/p/session/(\w+)/cancel", portal.cancel),
    ("POST", r"/p/session/(\w+)/card", portal.change_card),
)


class Site:
    def __init__(self, world: World) -> None:
        self._world = world
        self._routes = [(method, re.compile(f"^{pattern}$"), handler) for method, pattern, handler in ROUTES]

    async def __call__(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        method, path = scope["method"], scope["path"]
        if path == "/style.css":
            await asgi.respond(send, 200, layout.STYLE.encode(), headers=[(b"content-type", b"text/css")])
            return
        try:
            body = await asgi.read_body(receive, limit=LARGEST_FORM)
        except (asgi.BodyTooLargeError, asgi.DisconnectedError):
            await _send(send, layout.notice("That was too much", "The form is too large.", status=413))
            return
        encoded = body if method == "POST" else scope["query_string"]
        typed = dict(parse_qsl(encoded.decode(errors="replace"), keep_blank_values=True))
        await _send(send, self._answer(method, path, typed))

    def _answer(self, method: str, path: str, typed: Typed) -> Answer:
        for known, pattern, handler in self._routes:
            match = pattern.match(path) if known == method else None
            if match:
                try:
                    return handler(self._world, match[1], typed)
                except StripeError as error:
                    return layout.notice("That did not work", str(error), status=error.status)
        return layout.notice("There is nothing here", "The stand-in for Stripe has no such page.", status=404)


async def _send(send: asgi.Send, answer: Answer) -> None:
    common = [(b"content-security-policy", POLICY.encode()), (b"cache-control", b"no-store")]
    if isinstance(answer, Redirect):
        await asgi.respond(send, 303, b"", headers=[(b"location", answer.address.encode()), *common])
    elif isinstance(answer, Page):
        kind = (b"content-type", b"text/html; charset=utf-8")
        await asgi.respond(send, answer.status, answer.html.encode(), headers=[kind, *common])
    elif isinstance(answer, File):
        disposition = f'inline; filename="{answer.name}"'.encode()
        kind = (b"content-type", answer.type.encode())
        await asgi.respond(send, 200, answer.content, headers=[kind, (b"content-disposition", disposition), *common])
