"""The one way in which requests leave, over real HTTP, against replies given line by line."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import stripe
from pydantic import SecretStr

from coupon_pipeline.stripe_api import (
    StripeEdge,
    StripeEdgeError,
    StripeLoginFailed,
    StripeMisconfigured,
    StripeObjectBusy,
    StripeRefused,
    StripeRejected,
    StripeUnavailable,
    StripeWrongMode,
)
from coupon_pipeline.stripe_api.limits import HEADROOM, SLOWED_TO, Limits
from coupon_pipeline.stripe_api.messages import (
    COUPON,
    COUPON_CREATE,
    COUPON_UPDATE,
    COUPONS,
    SUBSCRIPTION_UPDATE,
    Request,
)
from coupon_pipeline.stripe_api.retries import Retries

KEY = "sk_test_51HxYzSecretOfTheAccount"
GOOD = '{"id": "c", "object": "coupon", "livemode": false, "percent_off": 12.50}'
ERROR = '{"error": {"type": "api_error", "message": "An error occurred."}}'
READ = Request(COUPON, "c")
WRITE = Request(COUPON_CREATE, None, {"id": "c"}, idempotency_key="key-1")


@dataclass(frozen=True)
class Reply:
    """What the server says to one request; `cut` closes the connection instead."""

    status: int = 200
    body: str = GOOD
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False
    missing_bytes: int = 0


@dataclass
class Script:
    """The replies to come, and the requests that came."""

    url: str = ""
    replies: list[Reply] = field(default_factory=list)
    seen: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    def headers(self, name: str) -> list[str | None]:
        """A header of each request."""
        return [headers.get(name.lower()) for _, _, headers in self.seen]


@pytest.fixture
def script() -> Iterator[Script]:
    """A server on this machine that replies what the test wrote; then the last reply for ever."""
    wanted = Script()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._reply()

        def do_POST(self) -> None:
            self._reply()

        def _reply(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            wanted.bodies.append(self.rfile.read(length))
            wanted.seen.append(
                (self.command, self.path, {k.lower(): v for k, v in self.headers.items()})
            )
            reply = wanted.replies[min(len(wanted.seen), len(wanted.replies)) - 1]
            if reply.cut:
                self.close_connection = True
                return
            body = reply.body.encode(errors="surrogateescape")
            self.send_response(reply.status)
            for name, value in {"Request-Id": "req_7", **reply.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body) + reply.missing_bytes))
            self.end_headers()
            self.wfile.write(body)
            self.close_connection = reply.missing_bytes > 0

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - named by the base class
            del format, args

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    wanted.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield wanted
    server.shutdown()
    server.server_close()
    thread.join()


class Waiting:
    """A clock that stands still but for the pauses, which it remembers."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []

    def clock(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


@pytest.fixture
def waiting() -> Waiting:
    """Time as the edge sees it."""
    return Waiting()


@pytest.fixture
def edge(script: Script, waiting: Waiting) -> Iterator[StripeEdge]:
    """An edge whose pauses take no time and whose jitter is always the longest."""
    edge = StripeEdge(
        SecretStr(KEY),
        base_url=script.url,
        pause=waiting.pause,
        clock=waiting.clock,
        jitter=lambda: 1.0,
    )
    yield edge
    edge.close()


def test_numbers_arrive_exactly(script: Script, edge: StripeEdge) -> None:
    """The SDK's own objects hold percentages as floats."""
    script.replies = [Reply()]

    answer = edge.send(READ)

    assert answer.body["percent_off"] == Decimal("12.50")
    assert str(answer.body["percent_off"]) == "12.50"
    assert answer.request_id == "req_7"


def test_the_client_is_the_sdk_at_its_pinned_version(script: Script, edge: StripeEdge) -> None:
    """Another version would give replies of another shape; telemetry is nobody's business."""
    script.replies = [Reply()]
    edge.send(READ)
    edge.send(READ)

    assert set(script.headers("Stripe-Version")) == {stripe.api_version}
    assert set(script.headers("Authorization")) == {f"Bearer {KEY}"}
    assert set(script.headers("X-Stripe-Client-Telemetry")) == {None}
    assert set(script.headers("Stripe-Account")) == {None}


def test_a_connected_account_is_named_in_each_request(script: Script) -> None:
    """Otherwise the platform's own coupons would be changed."""
    script.replies = [Reply()]
    edge = StripeEdge(SecretStr(KEY), base_url=script.url, account="acct_9")
    edge.send(READ)
    edge.close()

    assert script.headers("Stripe-Account") == ["acct_9"]


def test_cookies_are_not_kept(script: Script, edge: StripeEdge) -> None:
    """Threads share the session; nothing of one request may show in another."""
    script.replies = [Reply(headers={"Set-Cookie": "balancer=a; Path=/"})]
    edge.send(READ)
    edge.send(READ)

    assert script.headers("Cookie") == [None, None]


TRANSIENT = {
    "429": Reply(429, ERROR),
    "409": Reply(409, ERROR),
    "500": Reply(500, ERROR),
    "a maintenance page": Reply(503, "<html>back soon</html>"),
    "no answer": Reply(cut=True),
    "a body cut short": Reply(missing_bytes=10),
    "half a JSON": Reply(body=GOOD[:30]),
    "no UTF-8": Reply(body='{"id": "\udcff"}'),
    "JSON of another kind": Reply(body='["coupon"]'),
    "JSON with what is no number": Reply(body='{"percent_off": NaN}'),
}


@pytest.mark.parametrize("trouble", TRANSIENT.values(), ids=TRANSIENT.keys())
@pytest.mark.parametrize("request_", [READ, WRITE], ids=["read", "write"])
def test_passing_trouble_is_got_over(
    trouble: Reply, request_: Request, script: Script, edge: StripeEdge
) -> None:
    """None of it is worth a phone call at night."""
    script.replies = [trouble, trouble, Reply()]

    answer = edge.send(request_)

    assert answer.body["id"] == "c"
    assert len(script.seen) == 3
    assert edge.calls.retries == 2


def test_all_attempts_of_a_write_have_its_key(script: Script, edge: StripeEdge) -> None:
    """Stripe recognises the write that it has done already."""
    script.replies = [Reply(cut=True), Reply(500, ERROR), Reply()]
    edge.send(WRITE)

    assert script.headers("Idempotency-Key") == ["key-1"] * 3


def test_the_same_parameters_are_the_same_body(script: Script, edge: StripeEdge) -> None:
    """Whatever order they are made in, their key is the same, and Stripe compares the rest."""
    script.replies = [Reply()]
    for order in (list, reversed):
        metadata = dict(order([("team", "blue"), ("coupon_pipeline", "1 a")]))
        params = dict(order([("phases", [{"metadata": metadata}]), ("expand", ["phases"])]))
        edge.send(Request(SUBSCRIPTION_UPDATE, "sub_1", params, idempotency_key="key-2"))

    assert len(set(script.bodies)) == 1


def test_pauses_grow_with_jitter_below_them(script: Script, waiting: Waiting) -> None:
    """Full jitter: anything from nothing to the bound, which doubles."""
    script.replies = [Reply(500, ERROR)] * 3 + [Reply()]
    jitters = iter([1.0, 0.5, 0.25])
    edge = StripeEdge(
        SecretStr(KEY),
        base_url=script.url,
        pause=waiting.pause,
        clock=waiting.clock,
        jitter=lambda: next(jitters),
        retries=Retries(first_pause=1.0),
    )
    edge.send(READ)
    edge.close()

    assert waiting.pauses == [1.0, 1.0, 1.0]


def test_attempts_are_bounded_in_number(script: Script, edge: StripeEdge) -> None:
    """A persistent outage ends the run, and the next one goes on."""
    script.replies = [Reply(503, ERROR)]

    with pytest.raises(StripeUnavailable) as caught:
        edge.send(READ)

    assert len(script.seen) == Retries().attempts
    assert caught.value.request_id == "req_7"


def test_attempts_are_bounded_in_time(script: Script, edge: StripeEdge, waiting: Waiting) -> None:
    """Whoever asks for an hour does not get it."""
    script.replies = [Reply(503, ERROR, {"Retry-After": "40"})]

    with pytest.raises(StripeUnavailable):
        edge.send(READ)

    assert waiting.pauses == [40, 40]
    assert len(script.seen) == 3


def test_stripes_own_word_on_retrying_is_obeyed(script: Script, edge: StripeEdge) -> None:
    """It knows that the answer is stored and would come back unchanged."""
    script.replies = [Reply(500, ERROR, {"Stripe-Should-Retry": "false"})]

    with pytest.raises(StripeUnavailable):
        edge.send(WRITE)

    assert len(script.seen) == 1


def test_a_stored_failure_is_not_asked_for_again(script: Script, edge: StripeEdge) -> None:
    """The same key gives the same 500 for a day; only this record has to wait."""
    script.replies = [Reply(500, ERROR), Reply(500, ERROR, {"Idempotent-Replayed": "true"})]

    with pytest.raises(StripeObjectBusy) as caught:
        edge.send(WRITE)

    assert len(script.seen) == 2
    assert caught.value.may_have_happened


@pytest.mark.parametrize(
    ("trouble", "request_", "expected"),
    [
        (Reply(cut=True), WRITE, True),
        (Reply(500, ERROR), WRITE, True),
        (Reply(body="<html>"), WRITE, True),
        (Reply(429, ERROR), WRITE, False),
        (Reply(409, ERROR), WRITE, True),
        (Reply(cut=True), READ, False),
    ],
    ids=["cut", "500", "unreadable", "429", "409", "cut read"],
)
def test_a_failed_write_says_whether_it_may_have_happened(
    trouble: Reply, request_: Request, script: Script, edge: StripeEdge, *, expected: bool
) -> None:
    """The ledger keeps such an intent open, and the next run looks at Stripe first."""
    script.replies = [trouble]

    with pytest.raises(StripeUnavailable) as caught:
        edge.send(request_)

    assert caught.value.may_have_happened is expected


def test_a_rejection_comes_at_once_with_its_reason(script: Script, edge: StripeEdge) -> None:
    """What Stripe will never do is not asked for twice."""
    body = (
        '{"error": {"type": "invalid_request_error", "code": "coupon_expired",'
        ' "param": "discounts[0][coupon]", "message": "This coupon has expired."}}'
    )
    script.replies = [Reply(400, body)]

    with pytest.raises(StripeRejected) as caught:
        edge.send(WRITE)

    rejected = caught.value
    assert (rejected.reason, rejected.param) == ("coupon_expired", "discounts[0][coupon]")
    assert rejected.message == "This coupon has expired."
    assert len(script.seen) == 1


def test_a_permission_that_is_missing_is_not_asked_for_again_and_again(
    script: Script, edge: StripeEdge
) -> None:
    """Ten thousand refusals would take minutes and use up the limit; other calls go on."""
    script.replies = [Reply(403, ERROR)] * 3 + [Reply()]
    for _ in range(5):
        with pytest.raises(StripeRefused):
            edge.send(WRITE)

    assert edge.send(READ).body["id"] == "c"
    assert [method for method, _, _ in script.seen] == ["POST"] * 3 + ["GET"]


def test_redirects_are_not_followed(script: Script, edge: StripeEdge) -> None:
    """The key is for the host that it was given for."""
    script.replies = [Reply(307, "", {"Location": f"{script.url}/elsewhere"})]

    with pytest.raises(StripeUnavailable, match="redirect"):
        edge.send(READ)

    assert [path for _, path, _ in script.seen] == ["/v1/coupons/c"]


def test_nobody_there_is_unavailable(waiting: Waiting) -> None:
    """A refused connection is an outage like any other, and certainly nothing was written."""
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as closed:
        url = f"http://127.0.0.1:{closed.server_port}"
    edge = StripeEdge(
        SecretStr(KEY), base_url=url, pause=waiting.pause, clock=waiting.clock, jitter=lambda: 1.0
    )

    with pytest.raises(StripeUnavailable) as caught:
        edge.send(WRITE)

    assert len(waiting.pauses) == Retries().attempts - 1
    assert not caught.value.may_have_happened


def test_an_object_of_the_other_mode_ends_the_run(script: Script, edge: StripeEdge) -> None:
    """A test key that meets live objects means that something is pointed at the wrong account."""
    script.replies = [Reply(body='{"id": "c", "livemode": true}')]

    with pytest.raises(StripeWrongMode, match="test key"):
        edge.send(READ)


def test_reads_and_writes_are_counted(script: Script, edge: StripeEdge) -> None:
    """Stripe counts reads against a monthly allowance, and the run report shows both."""
    script.replies = [Reply(500, ERROR), Reply()]
    edge.send(READ)
    edge.send(WRITE)

    assert (edge.calls.reads, edge.calls.writes, edge.calls.retries) == (2, 1, 1)
    assert edge.rate_report().by_endpoint == {
        "/v1/coupons/{id}": 2,
        "/v1/coupons": 1,
    }


def test_reading_and_writing_one_path_share_its_limit(script: Script, edge: StripeEdge) -> None:
    """The documentation does not say whether they count apart, so they never go beyond either."""
    script.replies = [Reply(), Reply()]
    edge.send(READ)
    edge.send(Request(COUPON_UPDATE, object_id="c", idempotency_key="update"))

    assert edge.rate_report().by_endpoint == {"/v1/coupons/{id}": 2}


def test_a_429_slows_the_endpoint_that_it_names(script: Script, waiting: Waiting) -> None:
    """The next request of that endpoint waits longer by what a refusal takes."""
    script.replies = [
        Reply(429, ERROR, {"Stripe-Rate-Limited-Reason": "endpoint-rate"}),
        Reply(),
    ]
    edge = StripeEdge(
        SecretStr(KEY),
        base_url=script.url,
        limits=Limits(100, 25, left_to_others=0),
        pause=waiting.pause,
        clock=waiting.clock,
        jitter=lambda: 0.0,
    )
    edge.send(READ)
    before = waiting.now
    edge.send(READ)
    slowed = waiting.now - before
    edge.send(Request(COUPONS))
    edge.close()

    assert slowed == pytest.approx(1 / (25 * HEADROOM * SLOWED_TO), rel=0.02)
    assert edge.rate_report().slowed_down == 1


@pytest.mark.parametrize("coupon_id", ["..", "A B", "a/b", "", "a?b", "é", "x" * 300])
def test_an_id_that_would_name_another_path_is_never_sent(
    coupon_id: str, script: Script, edge: StripeEdge
) -> None:
    """The SDK would ask for `/v1/` or for `A+B`, and believe the answer."""
    script.replies = [Reply()]

    with pytest.raises(StripeRejected) as caught:
        edge.send(Request(COUPON, coupon_id))

    assert caught.value.reason == "id_unusable"
    assert script.seen == []


@pytest.mark.parametrize(
    "value",
    [None, [], {}, 12.5, [{"coupon": None}], {"metadata": {}}, Decimal("NaN"), "\ud83d"],
    ids=ascii,
)
def test_a_parameter_that_would_vanish_or_change_is_never_sent(
    value: object, script: Script, edge: StripeEdge
) -> None:
    """An empty list that the SDK drops would leave the discounts that it should have cleared."""
    script.replies = [Reply()]

    with pytest.raises(StripeRejected) as caught:
        edge.send(
            Request(SUBSCRIPTION_UPDATE, "sub_1", {"discounts": value}, idempotency_key="key-2")
        )

    assert caught.value.reason == "parameter_unusable"
    assert script.seen == []


def test_a_write_needs_a_key() -> None:
    """Without one, a lost answer would be followed by a second write."""
    with pytest.raises(ValueError, match="idempotency key"):
        Request(COUPON_CREATE, None, {"id": "c"})


@pytest.mark.parametrize(
    ("key", "mode"),
    [
        ("sk_test_51Hx", "test"),
        ("rk_test_51Hx", "test"),
        ("sk_live_51Hx", "live"),
        ("rk_live_51Hx", "live"),
    ],
)
def test_the_mode_is_read_from_the_key(key: str, mode: str) -> None:
    """The SDK takes a restricted live key for a test key."""
    assert StripeEdge(SecretStr(key)).key_mode() == mode


@pytest.mark.parametrize(
    "key",
    ["", "pk_live_51Hx", "sk_org_live_51Hx", "sk_test_", "whsec_1", " sk_test_51Hx", "sk_test_5\n"],
)
def test_a_key_of_another_kind_is_refused_without_showing_it(key: str) -> None:
    """A publishable key, an organisation's key or a pasted line break can never work here."""
    with pytest.raises(StripeMisconfigured) as caught:
        StripeEdge(SecretStr(key))

    assert caught.value.setting == "STRIPE_API_KEY"
    assert "51Hx" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "http://api.stripe.com",
        "http://10.0.0.1:8080",
        "http://127.0.0.1.example.com",
        "ftp://127.0.0.1",
        "api.stripe.com",
        "https://api.stripe.com/v1",
        "https://user@api.stripe.com",
    ],
)
def test_an_address_that_a_key_must_not_be_sent_to_is_refused(url: str) -> None:
    """Plain http carries the key in the open; it is for this machine only."""
    with pytest.raises(StripeMisconfigured) as caught:
        StripeEdge(SecretStr(KEY), base_url=url)

    assert caught.value.setting == "STRIPE_API_BASE"


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://localhost:1", "http://[::1]:1/"])
def test_plain_http_to_this_machine_is_accepted(url: str) -> None:
    """The sandbox has no certificate."""
    assert StripeEdge(SecretStr(KEY), base_url=url).key_mode() == "test"


def test_the_key_is_in_no_representation_and_no_error(script: Script, edge: StripeEdge) -> None:
    """Both end up in logs and in Dagster's pages."""
    script.replies = [
        Reply(401, f'{{"error": {{"type": "x", "message": "Invalid API Key: {KEY}"}}}}')
    ]

    with pytest.raises(StripeLoginFailed) as caught:
        edge.send(READ)

    shown = [repr(edge), str(edge), repr(caught.value), str(caught.value)]
    assert all("Secret" not in text and KEY not in text for text in shown)
    assert caught.value.__cause__ is None or KEY not in str(caught.value.__cause__)


def test_every_failure_has_a_code_and_a_remedy() -> None:
    """People filter by the code and do what the fix says."""
    kinds: list[type[StripeEdgeError]] = [StripeEdgeError]
    for kind in kinds:
        kinds.extend(
            each for each in kind.__subclasses__() if each.__module__ == StripeEdgeError.__module__
        )

    codes = [kind.code for kind in kinds]

    assert len(set(codes)) == len(codes)
    assert all(code.startswith("stripe.") for code in codes)
    assert all(kind.default_fix.endswith(".") for kind in kinds)
