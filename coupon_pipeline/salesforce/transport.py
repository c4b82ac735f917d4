"""What every request to Salesforce passes through: time limits, the address, the quota.

simple-salesforce sets no time limit and always dials https; both are put right here, below it,
so that its login requests are covered too.
"""

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter

from coupon_pipeline.domain.diagnosis import skew_of
from coupon_pipeline.salesforce.errors import SalesforceQuotaExhausted
from coupon_pipeline.salesforce.logins import Instance

_API_USAGE = re.compile(r"(?:^|;|\s)api-usage=(\d+)/(\d+)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds to wait for a connection, and for each part of an answer."""

    connect: float = 10.0
    read: float = 120.0


@dataclass(frozen=True, slots=True)
class Quota:
    """Requests of the whole org in the last 24 hours, and how many it may make."""

    used: int
    allowed: int

    @property
    def share(self) -> Decimal:
        """The part that is used, 0 to 1."""
        return Decimal(self.used) / Decimal(self.allowed) if self.allowed else Decimal(1)


class Usage:
    """Counts requests and remembers the quota that the last answer told."""

    def __init__(self, quota_share: Decimal | None) -> None:
        self._lock = threading.Lock()
        self._share = quota_share
        self._calls = 0
        self._quota: Quota | None = None
        self._clock_skew: timedelta | None = None

    @property
    def calls(self) -> int:
        """Requests sent so far, logins and repeated attempts included."""
        with self._lock:
            return self._calls

    @property
    def quota(self) -> Quota | None:
        """What the last answer said; `None` before the first one."""
        with self._lock:
            return self._quota

    @property
    def clock_skew(self) -> timedelta | None:
        """How far the other clock is ahead of ours, by the header `Date` of the last answer."""
        with self._lock:
            return self._clock_skew

    def compare_clocks(self, date: str | None, sent: datetime, received: datetime) -> None:
        """Keep how far the two clocks are apart, where the answer tells the time."""
        skew = skew_of(date, sent, received)
        if skew is not None:
            with self._lock:
                self._clock_skew = skew

    def count(self) -> None:
        """One more request leaves."""
        with self._lock:
            self._calls += 1

    def learn(self, limit_info: str | None) -> None:
        """Read the header `Sforce-Limit-Info`, which every answer of the data API carries.

        (https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/headers_api_usage.htm).
        """
        found = _API_USAGE.search(limit_info or "")
        if found is not None:
            with self._lock:
                self._quota = Quota(int(found[1]), int(found[2]))

    def check(self) -> None:
        """Refuse before a request leaves that would go beyond the share that we may use."""
        quota = self.quota
        if self._share is None or quota is None or quota.share < self._share:
            return
        raise SalesforceQuotaExhausted(
            f"{quota.used} of the org's {quota.allowed} daily requests are used, which reaches "
            f"the share of {self._share} that this pipeline leaves alone.",
            "Run again later, or raise the share.",
        )


class Transport(HTTPAdapter):
    """Sends a request of simple-salesforce to the instance, and nowhere else."""

    def __init__(self, instance: Instance, timeouts: Timeouts, usage: Usage) -> None:
        self._instance = instance
        self._timeouts = timeouts
        self._usage = usage
        super().__init__(pool_connections=2, pool_maxsize=8, max_retries=0)

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,  # noqa: FBT001, FBT002 - requests' own signature
        timeout: float | tuple[float, float] | tuple[float, None] | None = None,  # noqa: ARG002 - ours
        verify: bool | str = True,  # noqa: FBT001, FBT002 - requests' own signature
        cert: bytes | str | tuple[bytes | str, bytes | str] | None = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """Send with both time limits; what the caller says about time is not asked."""
        if self._instance.is_plain_loopback:
            request.url = self._rewritten(request.url or "")
        self._usage.count()
        sent = datetime.now(UTC)
        response = super().send(
            request,
            stream=stream,
            timeout=(self._timeouts.connect, self._timeouts.read),
            verify=verify,
            cert=cert,
            proxies=proxies,
        )
        self._usage.compare_clocks(response.headers.get("Date"), sent, datetime.now(UTC))
        self._usage.learn(response.headers.get("Sforce-Limit-Info"))
        return response

    def _rewritten(self, url: str) -> str:
        return urlsplit(url)._replace(scheme="http", netloc=self._instance.netloc).geturl()


def open_http(instance: Instance, timeouts: Timeouts, usage: Usage) -> requests.Session:
    """A session that can reach the instance alone.

    Only the instance and its login host have an adapter, and no redirect is followed: a
    request with our token in it never goes to another host. `.netrc` is kept out because it
    would replace the `Authorization` header.
    """
    http = requests.Session()
    http.adapters.clear()
    transport = Transport(instance, timeouts, usage)
    http.mount(f"https://{instance.netloc}/", transport)
    if instance.is_plain_loopback:
        http.mount(f"https://{instance.login_host}/", transport)
        http.trust_env = False
    http.max_redirects = 0
    http.auth = _leave_headers
    return http


def _leave_headers(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request
