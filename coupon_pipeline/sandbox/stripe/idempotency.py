"""First answers, kept under their idempotency keys (https://docs.stripe.com/api/idempotent_requests)."""

import hashlib
from dataclasses import dataclass

from coupon_pipeline.sandbox.journal import Journal, JsonValue
from coupon_pipeline.sandbox.stripe.errors import StripeError

KEPT_SECONDS = 24 * 60 * 60
LONGEST_KEY = 255


@dataclass(frozen=True, slots=True)
class FirstAnswer:
    """What was answered when the key was first used."""

    fingerprint: str
    status: int
    body: str
    request_id: str
    at: int


class IdempotencyStore:
    """The answers of one account in one mode, for 24 hours of the sandbox's clock."""

    def __init__(self, journal: Journal, name: str) -> None:
        self._journal = journal
        self._table = f"{name}.idempotency"
        self._answers: dict[str, FirstAnswer] = {}
        for key, value in journal.load(self._table).items():
            if isinstance(value, dict):
                self._answers[key] = FirstAnswer(
                    str(value["fingerprint"]),
                    int(str(value["status"])),
                    str(value["body"]),
                    str(value["request_id"]),
                    int(str(value["at"])),
                )

    def find(self, key: str, fingerprint: str, now: int) -> FirstAnswer | None:
        """The first answer, if the key is known; refuses one that came with other parameters."""
        if len(key) > LONGEST_KEY:
            raise StripeError(
                f"Idempotency keys may be at most {LONGEST_KEY} characters long.",
                error_type="idempotency_error",
            )
        self._prune(now)
        first = self._answers.get(key)
        if first is None:
            return None
        if first.fingerprint != fingerprint:
            raise StripeError(
                f"Keys for idempotent requests can only be used with the same parameters they "
                f"were first used with. Try using a key other than '{key}' if you meant to "
                "execute a different request.",
                error_type="idempotency_error",
            )
        return first

    def keep(self, key: str, answer: FirstAnswer) -> None:
        """Remember the answer to the first use of a key."""
        self._answers[key] = answer
        value: JsonValue = {
            "fingerprint": answer.fingerprint,
            "status": answer.status,
            "body": answer.body,
            "request_id": answer.request_id,
            "at": answer.at,
        }
        self._journal.put(self._table, key, value)

    def __len__(self) -> int:
        return len(self._answers)

    def _prune(self, now: int) -> None:
        """Forget the oldest; they stand in the order in which they came."""
        while self._answers:
            key, oldest = next(iter(self._answers.items()))
            if now - oldest.at < KEPT_SECONDS:
                return
            del self._answers[key]
            self._journal.put(self._table, key, None)


def fingerprint(method: str, path: str, body: str) -> str:
    """What has to be the same when a key is used again."""
    return hashlib.sha256(f"{method} {path}\n{body}".encode()).hexdigest()
