"""An event loop on a thread of its own, and ASGI apps on loopback ports on it."""

import asyncio
import importlib.util
import socket
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from email.utils import formatdate
from typing import Final, TypeVar

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from coupon_pipeline.sandbox.faults import TRANSPORT_EXTENSION

LOOPBACK: Final = "127.0.0.1"
BACKLOG: Final = 512
KEEP_ALIVE_SECONDS: Final = 60
CLOSING_STEPS: Final = 50

T = TypeVar("T")


class LoopThread:
    """One event loop in a background thread; all state of the services is touched on it."""

    def __init__(self) -> None:
        self._loop = _new_loop()
        self._thread = threading.Thread(target=self._run, name="sandbox", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    def call(self, function: Callable[[], T]) -> T:
        """Run a function on the loop and return its result; at once when already there."""
        if threading.current_thread() is self._thread:
            return function()
        future: Future[T] = Future()

        def run() -> None:
            try:
                future.set_result(function())
            except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
                future.set_exception(error)

        self._loop.call_soon_threadsafe(run)
        return future.result()

    def complete(self, coroutine: Coroutine[None, None, T]) -> T:
        """Run a coroutine on the loop and return its result."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    def stop(self) -> None:
        """End the loop and its thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()


class Listener:
    """One ASGI app on one loopback port, which it keeps while it is closed and opened again.

    uvicorn's protocol is used without uvicorn's `Server`, whose own loop wakes up only ten
    times a second: starting and stopping takes milliseconds, so each test can have its own.
    """

    def __init__(self, port: int = 0, *, preferred: int = 0) -> None:
        """`port` has to be free; a `preferred` one is taken if it is, else any."""
        self._socket = _bound(port) if port or not preferred else _bound_if_free(preferred)
        self.port: int = self._socket.getsockname()[1]
        self._server: asyncio.Server | None = None
        self._state = ServerState()
        self.seconds_ahead = 0
        """How far the header `Date` is ahead of this machine's clock."""

    @property
    def url(self) -> str:
        """Address without a trailing slash."""
        return f"http://{LOOPBACK}:{self.port}"

    async def open(self, app: ASGIApp) -> None:
        """Accept connections."""
        config = uvicorn.Config(
            app,
            http=_Protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
        )
        config.load()
        self._server = await asyncio.get_running_loop().create_server(
            lambda: _Protocol(config, self._state, self), sock=self._socket, backlog=BACKLOG
        )

    async def close(self) -> None:
        """Refuse new connections, end the idle ones, abort what is left."""
        if self._server is None:
            self.abandon()
            return
        self._server.close()
        self._server = None
        self._socket.close()
        for connection in list(self._state.connections):
            connection.shutdown()
        for _ in range(CLOSING_STEPS):
            if not self._state.connections:
                return
            await asyncio.sleep(0)
        for task in self._state.tasks:
            task.cancel()
        for connection in list(self._state.connections):
            connection.transport.abort()
        await asyncio.gather(*self._state.tasks, return_exceptions=True)

    def abandon(self) -> None:
        """Let go of a port that was never opened."""
        self._socket.close()

    async def reopen(self, app: ASGIApp) -> None:
        """Come back on the same port."""
        self._socket = _bound(self.port)
        await self.open(app)


class _Protocol(HttpToolsProtocol):
    """Shows the connection to the app, so that a fault can cut it, and dates the answers."""

    def __init__(self, config: uvicorn.Config, state: ServerState, listener: Listener) -> None:
        super().__init__(config, state, {})
        self._listener = listener

    def on_message_begin(self) -> None:
        super().on_message_begin()
        told = formatdate(time.time() + self._listener.seconds_ahead, usegmt=True)
        self.server_state.default_headers = [(b"date", told.encode())]
        self.scope["extensions"] = {TRANSPORT_EXTENSION: self.transport}  # type: ignore[dict-item]


def _bound(port: int) -> socket.socket:
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((LOOPBACK, port))
    except OSError:
        bound.close()
        raise
    return bound


def _bound_if_free(port: int) -> socket.socket:
    try:
        return _bound(port)
    except OSError:
        return _bound(0)


def _new_loop() -> asyncio.AbstractEventLoop:
    if importlib.util.find_spec("uvloop") is None:
        return asyncio.new_event_loop()
    import uvloop  # noqa: PLC0415 - comes with `uvicorn[standard]`, is not there everywhere

    return uvloop.new_event_loop()
