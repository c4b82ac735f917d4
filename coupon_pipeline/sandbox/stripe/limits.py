"""Rate limits as documented (https://docs.stripe.com/rate-limits)."""

from collections import deque

from coupon_pipeline.sandbox.stripe.errors import StripeError
from coupon_pipeline.sandbox.switches import Switches

LIVE_ACCOUNT = 100
TEST_ACCOUNT = 25
ENDPOINT = 25
SEARCH = 20
WINDOW_SECONDS = 1.0


class RateLimits:
    """Requests within the last second, for each account and for each endpoint of it."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], deque[float]] = {}
        self.refused = 0

    def check(
        self, account: str, endpoint: str, seconds: float, switches: Switches, *, livemode: bool
    ) -> None:
        """Count a request, or refuse it with 429 and the reason.

        `seconds` only ever grows. A refused request does not count.
        """
        if switches.stripe_rate_limits == "off":
            return
        live = livemode or switches.stripe_rate_limits == "live"
        of_account = self._recent((account, ""), seconds)
        of_endpoint = self._recent((account, endpoint), seconds)
        if len(of_account) >= (LIVE_ACCOUNT if live else TEST_ACCOUNT):
            self.refused += 1
            raise too_many("global-rate")
        if len(of_endpoint) >= (SEARCH if endpoint.endswith("/search") else ENDPOINT):
            self.refused += 1
            raise too_many("endpoint-rate")
        of_account.append(seconds)
        of_endpoint.append(seconds)

    def _recent(self, key: tuple[str, str], seconds: float) -> deque[float]:
        seen = self._seen.setdefault(key, deque())
        while seen and seconds - seen[0] >= WINDOW_SECONDS:
            seen.popleft()
        return seen


def too_many(reason: str | None) -> StripeError:
    """429, with the reason that the limiter gives; without one it is not the limiter."""
    return StripeError(
        "Request rate limit exceeded. Learn more about rate limits here "
        "https://stripe.com/docs/rate-limits.",
        status=429,
        code="rate_limit",
        headers={} if reason is None else {"Stripe-Rate-Limited-Reason": reason},
    )


def locked(*, retry: bool) -> StripeError:
    """429 because another request holds the object."""
    return StripeError(
        "This object cannot be accessed right now because another API request or Stripe process "
        "is currently accessing it. If you see this error intermittently, retry the request. If "
        "you see this error frequently and are making multiple concurrent requests to a single "
        "object, make your requests serially or at a lower rate. For more details, see "
        "https://stripe.com/docs/rate-limits#object-lock-timeouts.",
        status=429,
        code="lock_timeout",
        headers={"Stripe-Should-Retry": "true"} if retry else {},
    )
