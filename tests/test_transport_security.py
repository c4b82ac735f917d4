"""Credentials go to the two services or to this machine, over verified TLS, and nowhere else."""

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from coupon_pipeline.salesforce import (
    AccessToken,
    ClientCredentials,
    Login,
    Pacing,
    SalesforceEdge,
    SalesforceError,
)
from coupon_pipeline.settings import (
    SALESFORCE_HOSTS,
    STRIPE_HOSTS,
    SettingsError,
    check_address,
)
from coupon_pipeline.stripe_api import Retries, StripeEdge, StripeEdgeError

REDIRECTS = [301, 302, 303, 307, 308]


class _Counting(ThreadingHTTPServer):
    """Counts its requests, and answers each with a redirect if it has somewhere to point to."""

    daemon_threads = True
    asked = 0
    status = 200
    location = ""


class _Handler(BaseHTTPRequestHandler):
    def _answer(self) -> None:
        server = self.server
        assert isinstance(server, _Counting)
        server.asked += 1
        self.send_response(server.status)
        if server.location:
            self.send_header("Location", server.location)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    do_GET = do_POST = _answer  # noqa: N815 - names that the standard library looks for

    def log_message(self, *_: object) -> None:
        """Nothing on standard error."""


@contextmanager
def serving(host: str = "127.0.0.1") -> Iterator[_Counting]:
    """A server on this machine."""
    server = _Counting((host, 0), _Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _stripe(url: str) -> None:
    edge = StripeEdge(SecretStr("sk_test_abcdef"), base_url=url, retries=Retries(attempts=1))
    with closing(edge):
        next(edge.list_coupons())


def _salesforce(url: str, login: Login) -> None:
    edge = SalesforceEdge(url, login, namespace="", api_version="67.0", pacing=Pacing(attempts=1))
    with closing(edge):
        edge.read_org()


ASKING: dict[str, Callable[[str], None]] = {
    "stripe": _stripe,
    "salesforce": lambda url: _salesforce(url, AccessToken("a-token-of-this-org")),
    "salesforce login": lambda url: _salesforce(url, ClientCredentials("key", "a-secret")),
}


@pytest.mark.parametrize("status", REDIRECTS)
@pytest.mark.parametrize("who", ASKING)
def test_a_redirect_to_another_host_is_not_followed(who: str, status: int) -> None:
    """The key in the request is for the host that was meant."""
    with serving() as asked, serving("localhost") as elsewhere:
        asked.status = status
        asked.location = f"http://localhost:{elsewhere.server_port}/"

        with pytest.raises((StripeEdgeError, SalesforceError)):
            ASKING[who](f"http://127.0.0.1:{asked.server_port}")

        assert (asked.asked, elsewhere.asked) == (1, 0)


@pytest.mark.parametrize("who", ["stripe", "salesforce"])
def test_a_certificate_that_nobody_vouches_for_is_refused(who: str, tmp_path: Path) -> None:
    """Nothing of the request has left by then."""
    with serving() as server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(_self_signed(tmp_path))
        server.socket = context.wrap_socket(server.socket, server_side=True)

        with pytest.raises((StripeEdgeError, SalesforceError)):
            ASKING[who](f"https://127.0.0.1:{server.server_port}")

        assert server.asked == 0


def test_certificates_of_your_own_are_taken_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A company's own proxy signs with one."""
    file = _self_signed(tmp_path)
    with serving() as server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(file))
        for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.delenv(name, raising=False)

        with pytest.raises(SalesforceError):
            ASKING["salesforce"](f"https://127.0.0.1:{server.server_port}")

        assert server.asked == 1


def _self_signed(folder: Path) -> Path:
    """A key and its certificate for this machine, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    file = folder / "server.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return file


LABEL = st.from_regex(r"[a-z][a-z0-9]{0,8}", fullmatch=True)


@given(
    labels=st.lists(LABEL, min_size=1, max_size=3),
    tail=st.sampled_from((".example", ".com", "salesforce.com", ".salesforce.com.evil.example")),
    hosts=st.sampled_from((SALESFORCE_HOSTS, STRIPE_HOSTS)),
)
def test_only_hosts_of_the_service_are_accepted(
    labels: list[str], tail: str, hosts: tuple[str, ...]
) -> None:
    """A host that only looks like one of them is another's."""
    host = ".".join(labels) + tail

    if host.endswith(hosts):
        check_address("X", f"https://{host}", hosts)
    else:
        with pytest.raises(SettingsError, match="X"):
            check_address("X", f"https://{host}", hosts)


@pytest.mark.parametrize(
    ("url", "hosts"),
    [
        ("https://acme.my.salesforce.com", SALESFORCE_HOSTS),
        ("https://acme--dev.sandbox.my.salesforce.com", SALESFORCE_HOSTS),
        ("https://api.stripe.com", STRIPE_HOSTS),
        ("http://127.0.0.1:4242", STRIPE_HOSTS),
        ("http://[::1]:4242", SALESFORCE_HOSTS),
        ("https://localhost:8443", SALESFORCE_HOSTS),
    ],
)
def test_the_services_and_this_machine_are_accepted(url: str, hosts: tuple[str, ...]) -> None:
    """The settings of README."""
    check_address("X", url, hosts)


@pytest.mark.parametrize(
    "url",
    [
        "https://stripe.com.evil.example",
        "https://api.stripe.com@evil.example",
        "https://evilstripe.com",
        "http://api.stripe.com",
        "http://127.0.0.1.evil.example",
    ],
)
def test_an_address_that_is_made_to_look_right_is_refused(url: str) -> None:
    """The host is what counts."""
    with pytest.raises(SettingsError):
        check_address("STRIPE_API_BASE", url, STRIPE_HOSTS)
