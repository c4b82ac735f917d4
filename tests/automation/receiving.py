"""Somebody who is told: a web address and a mail server on this machine."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class WebReceiver:
    """Keeps every document that is posted to it."""

    def __init__(self) -> None:
        self.documents: list[dict[str, object]] = []
        self.status = 200
        self.breaks_off = False
        """Whether its answer ends before its body does."""
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if receiver.status == 200:
                    receiver.documents.append(json.loads(body))
                self.send_response(receiver.status)
                self.send_header("Location", "/elsewhere")
                if receiver.breaks_off:
                    self.send_header("Content-Length", "30")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Nobody reads it."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/services/T0/hidden-in-the-path"

    @contextmanager
    def serving(self) -> Iterator["WebReceiver"]:
        """For the length of the block."""
        thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            thread.join()
            self._server.server_close()


class MailReceiver:
    """A mail server that speaks as much of SMTP as a client needs to hand over one mail."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.recipients: list[str] = []
        self.refuses: tuple[bytes, ...] = ()
        """Parts of addresses that it does not take mail for."""
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])

    @contextmanager
    def serving(self) -> Iterator["MailReceiver"]:
        """For the length of the block."""
        thread = threading.Thread(target=self._serve)
        thread.start()
        try:
            yield self
        finally:
            self._socket.shutdown(socket.SHUT_RDWR)
            thread.join()
            self._socket.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection, connection.makefile("rwb") as stream:

                def say(line: str, stream: socket.SocketIO = stream) -> None:  # type: ignore[assignment]  # typeshed: a buffered pair
                    stream.write(f"{line}\r\n".encode())
                    stream.flush()

                say("220 here")
                while line := stream.readline():
                    verb = line.split(b" ")[0].strip().upper()
                    if verb == b"DATA":
                        say("354 go on")
                        body = b"".join(iter(stream.readline, b".\r\n"))
                        parsed = message_from_bytes(body, policy=policy.default)
                        assert isinstance(parsed, EmailMessage)
                        self.mails.append(parsed)
                    if verb == b"RCPT":
                        self.recipients.append(line.decode().split("<")[1].split(">")[0])
                    if verb == b"QUIT":
                        say("221 bye")
                        break
                    is_refused = verb == b"RCPT" and any(each in line for each in self.refuses)
                    say("550 no" if is_refused else "250 fine")
