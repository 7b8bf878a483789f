"""The emulator's doors: Stripe's API, the pages that people see, and /_emulator/… for the test that directs it."""

from apps.billing.emulator.api import Api
from apps.billing.emulator.direction import Direction
from apps.billing.emulator.emulator import Emulator
from apps.billing.emulator.endpoints import Table
from apps.billing.emulator.pages.site import Site
from apps.billing.emulator.resources import ENDPOINTS, INCLUDED
from apps.billing.emulator.settings import Settings
from inference import asgi


class EmulatorApp:
    def __init__(self, settings: Settings) -> None:
        self._emulator = Emulator(settings)
        self._api = Api(self._emulator, Table(ENDPOINTS), INCLUDED)
        self._direction = Direction(self._emulator)
        self._site = Site(self._emulator.world)

    async def __call__(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["path"].startswith(("/v1/", "/v2/")):
            await self._api(scope, receive, send)
        elif scope["path"].startswith("/_emulator/"):
            await self._direction(scope, receive, send)
        else:
            await self._site(scope, receive, send)

    async def _live(self, receive: asgi.Receive, send: asgi.Send) -> None:
        await receive()
        await self._emulator.start()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._emulator.stop()
        await send({"type": "lifespan.shutdown.complete"})


def app_from_environment() -> EmulatorApp:
    """For uvicorn, which imports its application by name."""
    return EmulatorApp(Settings.from_environment())
