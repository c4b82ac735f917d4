"""A server that answers what a test tells it to, and a clock that nobody waits for."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from coupon_pipeline.salesforce.logins import ClientCredentials
from coupon_pipeline.salesforce.session import Pacing, SalesforceSession

DATA = "/services/data/v67.0/"
CREDENTIALS = ClientCredentials("key", "s3cret-of-the-app")


Open = Callable[..., SalesforceSession]


@dataclass(frozen=True)
class Request:
    """What arrived."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: str

    @property
    def token(self) -> str:
        return self.headers.get("Authorization", "").removeprefix("Bearer ")


@dataclass(frozen=True)
class Reply:
    """What is answered; `hang` keeps the connection open without a word."""

    status: int = 200
    body: object = None
    headers: Mapping[str, str] = field(default_factory=dict)
    hang: bool = False
    cut: bool = False

    def encoded(self) -> bytes:
        return self.body.encode() if isinstance(self.body, str) else json.dumps(self.body).encode()


EXPIRED = Reply(401, [{"errorCode": "INVALID_SESSION_ID", "message": "Session expired"}])
DOWN = Reply(503, "<html>maintenance</html>")


@dataclass
class ScriptedServer:
    """Answers by `answer` and remembers every request, in order of arrival."""

    url: str
    answer: Callable[[Request], Reply] = lambda _: Reply(body={"ok": True})
    requests: list[Request] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    closing: threading.Event = field(default_factory=threading.Event)

    def say(self, *replies: Reply) -> None:
        """Answer these in turn; the last one for ever."""
        left = list(replies)

        def answer(_: Request) -> Reply:
            return left.pop(0) if len(left) > 1 else left[0]

        self.answer = answer


@contextmanager
def scripted_server() -> Iterator[ScriptedServer]:
    """A scripted server on this machine."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_one_request(self) -> None:
            try:
                super().handle_one_request()
            except ConnectionError:
                self.close_connection = True

        def serve(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length).decode()
            request = Request(self.command, self.path, dict(self.headers), body)
            with scripted.lock:
                scripted.requests.append(request)
                reply = scripted.answer(request)
            if reply.hang:
                scripted.closing.wait()
            if reply.hang or reply.cut:
                self.close_connection = True
                return
            payload = reply.encoded()
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        def __getattr__(self, name: str) -> Callable[[], None]:
            """Every method is served alike: the base class looks for `do_GET` and so on."""
            if name.startswith("do_"):
                return self.serve
            raise AttributeError(name)

        def log_message(self, *_: object) -> None:
            """Tests are quiet."""

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    scripted = ScriptedServer(f"http://127.0.0.1:{http.server_address[1]}")
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield scripted
    scripted.closing.set()
    http.shutdown()
    thread.join()
    http.server_close()


@dataclass
class Waits:
    """Stands in for the clock and for waiting: time passes only by being waited for."""

    waited: list[float] = field(default_factory=list)

    def pause(self, seconds: float) -> None:
        self.waited.append(seconds)

    def now(self) -> float:
        return sum(self.waited)

    def pacing(self, *, attempts: int = 5, total_seconds: float = 90.0) -> Pacing:
        return Pacing(
            attempts=attempts,
            total_seconds=total_seconds,
            pause=self.pause,
            random=lambda: 1.0,
            monotonic=self.now,
        )


class TokenServer:
    """Gives out tokens and accepts the last one given out."""

    def __init__(self, server: ScriptedServer) -> None:
        self.server = server
        self.given = 0
        server.answer = self.answer

    def answer(self, request: Request) -> Reply:
        if request.path == "/services/oauth2/token":
            self.given += 1
            token = f"token-{self.given}"
            return Reply(body={"access_token": token, "instance_url": self.server.url})
        if "/Soap/" in request.path:
            self.given += 1
            return Reply(
                body="<r><serverUrl>" + self.server.url + "/services/Soap/u/67.0</serverUrl>"
                f"<sessionId>token-{self.given}</sessionId></r>"
            )
        return Reply(body={"ok": True}) if request.token == f"token-{self.given}" else EXPIRED

    def expire(self) -> None:
        self.given += 1
