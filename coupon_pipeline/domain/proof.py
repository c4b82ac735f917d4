"""The compact proof of attachments: a few metadata values that remember hundreds of them.

A proof is a set of fingerprints of attachment ids, written to Stripe in the same request that
makes the attachments. It answers "was this one made?" for ever: never wrongly no, and wrongly yes
at most once in a million questions.

A fingerprint is the leading bits of a hash. Sorted, their differences are Rice coded. A growing
set drops trailing bits of all fingerprints, so what is already there can be rewritten shorter
without knowing the ids: the text depends on the set alone, not on the order or number of the
writes that built it. Stripe allows 500 characters a value (https://docs.stripe.com/api/metadata)
and does not say whether it counts characters or bytes, so values are base64url, where both are the
same. One value holds about 120 attachments; a longer history takes further keys, each with its
share of the fingerprints and readable by itself.
"""

from base64 import urlsafe_b64encode
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256

PROOF_KEY = "coupon_pipeline"
"""The metadata key that is ours on a subscription, a schedule and its phases."""

MAX_CHARACTERS = 500

PROOF_KEYS = (PROOF_KEY, *(f"{PROOF_KEY}_{number}" for number in range(2, 9)))
"""Those after the first are used by a history of more than about 120 attachments only."""

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_MARK = "p"
_HEADER = 9  # mark, width of a fingerprint, Rice parameter, count (2), checksum (4)
_BITS_A_CHARACTER = 6
_CAPACITY = (MAX_CHARACTERS - _HEADER) * _BITS_A_CHARACTER
_HASH_BITS = 64
_WIDEST = 40
_NARROWEST = 30  # 1,000 entries, more than all keys can hold, give a rate of 2^-20


@dataclass(frozen=True, slots=True)
class ProofUnreadable:
    """A value under one of our keys is not a proof; it must not be overwritten."""

    reason: str


@dataclass(frozen=True, slots=True)
class ProofFull:
    """The attachments no longer fit into the metadata values that are ours."""

    count: int


@dataclass(frozen=True, slots=True)
class Proof:
    """Fingerprints of attachments, all of the same width in bits, ascending."""

    width: int = _WIDEST
    fingerprints: tuple[int, ...] = ()

    @classmethod
    def read(cls, metadata: Mapping[str, str]) -> "Proof | ProofUnreadable":
        """What the keys of ours prove; none at all is an empty proof."""
        proof = cls()
        for text in filter(None, map(metadata.get, PROOF_KEYS)):
            part = _readable(text)
            if isinstance(part, ProofUnreadable):
                return part
            proof = proof.together_with(part)
        return proof

    def together_with(self, other: "Proof") -> "Proof":
        """The proof of what either proves, whether or not it still fits."""
        width = min(self.width, other.width)
        kept = _narrowed(self.fingerprints, self.width, width)
        added = _narrowed(other.fingerprints, other.width, width)
        return Proof(width, tuple(sorted({*kept, *added})))

    def has(self, attachment_id: str) -> bool:
        """Whether the attachment was made, as far as this proof tells."""
        wanted = _fingerprint(attachment_id, self.width)
        at = bisect_left(self.fingerprints, wanted)
        return self.fingerprints[at : at + 1] == (wanted,)

    def extended(self, attachment_ids: Iterable[str]) -> "Proof | ProofFull":
        """The proof of these attachments as well, in the form in which it fits best."""
        added = (_fingerprint(each, self.width) for each in attachment_ids)
        return _fitted(self.width, {*self.fingerprints, *added})

    def keys(self) -> tuple[str, ...]:
        """The keys of `metadata`."""
        return PROOF_KEYS[: len(self._parts())]

    def metadata(self) -> dict[str, str]:
        """The keys and values that prove it: ASCII, at most 500 characters a value."""
        parts = self._parts()
        return {
            key: _encoded(part, self.width)
            for key, part in zip(PROOF_KEYS[: len(parts)], parts, strict=True)
        }

    def _parts(self) -> list[tuple[int, ...]]:
        if not self.fingerprints:
            return []
        parts = _parts(self.fingerprints, self.width)
        assert parts is not None, "a proof is made so that it fits"
        return parts


def _readable(text: str) -> Proof | ProofUnreadable:
    try:
        return _parse(text)
    except ValueError as unreadable:
        return ProofUnreadable(str(unreadable))


@lru_cache(maxsize=64)
def _encoded(fingerprints: tuple[int, ...], width: int) -> str:
    parameter, _ = _rice_parameter(fingerprints, width)
    head = _MARK + _digits(width, 1) + _digits(parameter, 1) + _digits(len(fingerprints), 2)
    body = _to_text(_rice_bits(fingerprints, parameter))
    return head + _checksum(head + body) + body


def _parts(fingerprints: tuple[int, ...], width: int) -> list[tuple[int, ...]] | None:
    """The fewest parts that fit a value each, or None where all keys are not enough."""
    for count in range(1, len(PROOF_KEYS) + 1):
        parts = [fingerprints[start::count] for start in range(count)]
        if all(_rice_parameter(part, width)[1] <= _CAPACITY for part in parts):
            return parts
    return None


def _fingerprint(attachment_id: str, width: int) -> int:
    return _hash(attachment_id) >> (_HASH_BITS - width)


@lru_cache(maxsize=64)
def _hash(attachment_id: str) -> int:
    """Asked for several times in a row, while a target is looked at and then written."""
    return int.from_bytes(sha256(attachment_id.encode()).digest()[: _HASH_BITS // 8])


def _narrowed(fingerprints: Iterable[int], width: int, narrower: int) -> tuple[int, ...]:
    return tuple(sorted({each >> (width - narrower) for each in fingerprints}))


def _fitted(width: int, fingerprints: set[int]) -> Proof | ProofFull:
    """At the greatest width with which one value is enough, else at the least one.

    A smaller set never needs a smaller width, so that growing leaves no trace.
    """
    for narrower in range(width, _NARROWEST - 1, -1):
        kept = _narrowed(fingerprints, width, narrower)
        if _rice_parameter(kept, narrower)[1] <= _CAPACITY:
            return Proof(narrower, kept)
    kept = _narrowed(fingerprints, width, _NARROWEST)
    if _parts(kept, _NARROWEST) is None:
        return ProofFull(len(fingerprints))
    return Proof(_NARROWEST, kept)


def _differences(fingerprints: Sequence[int]) -> Iterator[int]:
    before = 0
    for each in fingerprints:
        yield each - before
        before = each


@lru_cache(maxsize=64)
def _rice_parameter(fingerprints: tuple[int, ...], width: int) -> tuple[int, int]:
    """The best parameter, and the number of bits that it needs.

    A proof in the making is looked at several times in a row: whether it fits, and to be written.
    """
    if not fingerprints:
        return 1, 0
    differences = list(_differences(fingerprints))
    about = max(width - len(differences).bit_length(), 1)
    sizes = [
        (len(differences) * (1 + r) + sum(each >> r for each in differences), r)
        for r in range(max(about - 2, 1), min(about + 3, width) + 1)
    ]
    size, parameter = min(sizes)
    return parameter, size


def _rice_bits(fingerprints: Sequence[int], parameter: int) -> str:
    mask = (1 << parameter) - 1
    return "".join(
        "1" * (each >> parameter) + "0" + format(each & mask, f"0{parameter}b")
        for each in _differences(fingerprints)
    )


def _to_text(bits: str) -> str:
    """Base64url without padding, the last character filled up with zeros."""
    characters = -(-len(bits) // _BITS_A_CHARACTER)
    size = -(-len(bits) // 8)
    data = int(bits.ljust(size * 8, "0"), 2).to_bytes(size)
    return urlsafe_b64encode(data).decode("ascii")[:characters]


def _to_bits(body: str) -> str:
    return "".join(format(_ALPHABET.index(each), f"0{_BITS_A_CHARACTER}b") for each in body)


def _digits(value: int, count: int) -> str:
    return "".join(_ALPHABET[(value >> (6 * at)) & 63] for at in reversed(range(count)))


def _number(digits: str) -> int:
    value = 0
    for digit in digits:
        value = value << 6 | _ALPHABET.index(digit)
    return value


def _checksum(text: str) -> str:
    return _digits(int.from_bytes(sha256(text.encode()).digest()[:3]), 4)


def _parse(text: str) -> Proof:
    head, checksum, body = text[:5], text[5:_HEADER], text[_HEADER:]
    if text[0] != _MARK or len(text) <= _HEADER:
        raise ValueError("it does not begin like a proof")
    if checksum != _checksum(head + body):
        raise ValueError("its checksum does not fit")
    width, parameter, count = _number(head[1]), _number(head[2]), _number(head[3:5])
    if not _NARROWEST <= width <= _WIDEST or not 0 < parameter <= width or not count:
        raise ValueError("its header is out of range")
    fingerprints = tuple(_rice_decoded(_to_bits(body), parameter, count))
    if fingerprints[-1] >> width or len(set(fingerprints)) != count:
        raise ValueError("its fingerprints are out of range")
    return Proof(width, fingerprints)


def _rice_decoded(bits: str, parameter: int, count: int) -> Iterator[int]:
    at, value = 0, 0
    for _ in range(count):
        stop = bits.index("0", at)
        rest = bits[stop + 1 : stop + 1 + parameter]
        if len(rest) < parameter:
            raise ValueError("it breaks off")
        value += (stop - at) << parameter | int(rest, 2)
        at = stop + 1 + parameter
        yield value
