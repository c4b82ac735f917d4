"""The compact proof of attachments: one metadata value that remembers hundreds of them.

A proof is a set of fingerprints of attachment ids, written to Stripe in the same request that
makes the attachments. It answers "was this one made?" for ever: never wrongly no, and wrongly yes
at most once in a million questions (once in 65,536 when it holds more than about 130).

A fingerprint is the leading bits of a hash. Sorted, their differences are Rice coded. A growing
set drops trailing bits of all fingerprints, so what is already there can be rewritten shorter
without knowing the ids: the text depends on the set alone, not on the order or number of the
writes that built it. Stripe allows 500 characters (https://docs.stripe.com/api/metadata). While
they fit, proofs are base64url; beyond that, each character is an ideograph worth 14 bits.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256

PROOF_KEY = "coupon_pipeline"
"""The one metadata key that is ours on a subscription or schedule."""

MAX_CHARACTERS = 500

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_DENSE_START = 0x4E00
_HEADER = 9  # form, width of a fingerprint, Rice parameter, count (2), checksum (4)
_HASH_BITS = 64
_WIDEST = 40
_PLAIN_NARROWEST = 28  # 256 entries, more than plain text can hold, give a rate of 2^-20
_DENSE_RATE_BITS = 16


@dataclass(frozen=True, slots=True)
class _Form:
    mark: str
    bits_per_character: int
    widest: int
    narrowest: int

    @property
    def capacity(self) -> int:
        return (MAX_CHARACTERS - _HEADER) * self.bits_per_character


_PLAIN = _Form("p", 6, _WIDEST, _PLAIN_NARROWEST)
_DENSE = _Form("d", 14, _PLAIN_NARROWEST, _DENSE_RATE_BITS)


@dataclass(frozen=True, slots=True)
class ProofUnreadable:
    """The value under our key is not a proof; it must not be overwritten."""

    reason: str


@dataclass(frozen=True, slots=True)
class ProofFull:
    """The attachments no longer fit into one metadata value."""

    count: int


@dataclass(frozen=True, slots=True)
class Proof:
    """Fingerprints of attachments, all of the same width in bits, ascending."""

    width: int = _WIDEST
    fingerprints: tuple[int, ...] = ()

    @classmethod
    def parse(cls, text: str | None) -> "Proof | ProofUnreadable":
        """Read a metadata value; none at all is an empty proof."""
        if not text:
            return cls()
        try:
            return _parse(text)
        except ValueError as unreadable:
            return ProofUnreadable(str(unreadable))

    def has(self, attachment_id: str) -> bool:
        """Whether the attachment was made, as far as this proof tells."""
        wanted = _fingerprint(attachment_id, self.width)
        at = bisect_left(self.fingerprints, wanted)
        return self.fingerprints[at : at + 1] == (wanted,)

    def extended(self, attachment_ids: Iterable[str]) -> "Proof | ProofFull":
        """The proof of these attachments as well, in the form in which it fits best."""
        added = (_fingerprint(each, self.width) for each in attachment_ids)
        return _fitted(self.width, {*self.fingerprints, *added})

    def union(self, other: "Proof") -> "Proof | ProofFull":
        """The proof of what either proves."""
        width = min(self.width, other.width)
        return _fitted(
            width,
            set(_narrowed(self.fingerprints, self.width, width))
            | set(_narrowed(other.fingerprints, other.width, width)),
        )

    def encode(self) -> str:
        """The metadata value, at most 500 characters, ASCII while possible."""
        if not self.fingerprints:
            return ""
        parameter, size = _rice_parameter(self.fingerprints, self.width)
        form = _PLAIN if self.width >= _PLAIN.narrowest and size <= _PLAIN.capacity else _DENSE
        head = form.mark + _digits(self.width, 1) + _digits(parameter, 1)
        head += _digits(len(self.fingerprints), 2)
        body = _to_text(_rice_bits(self.fingerprints, parameter), form)
        return head + _checksum(head + body) + body


def encode_proof(attachment_ids: Iterable[str]) -> "str | ProofFull":
    """The metadata value that proves these attachments."""
    proof = Proof().extended(attachment_ids)
    return proof.encode() if isinstance(proof, Proof) else proof


def _fingerprint(attachment_id: str, width: int) -> int:
    digest = sha256(attachment_id.encode()).digest()
    return int.from_bytes(digest[: _HASH_BITS // 8]) >> (_HASH_BITS - width)


def _narrowed(fingerprints: Iterable[int], width: int, narrower: int) -> list[int]:
    return sorted({each >> (width - narrower) for each in fingerprints})


def _fitted(width: int, fingerprints: set[int]) -> Proof | ProofFull:
    """At the greatest width that fits; a smaller set never needs a smaller width."""
    for form in (_PLAIN, _DENSE):
        for narrower in range(min(width, form.widest), form.narrowest - 1, -1):
            kept = _narrowed(fingerprints, width, narrower)
            if form is _DENSE and len(kept) > 2 ** (narrower - _DENSE_RATE_BITS):
                break
            if _rice_parameter(kept, narrower)[1] <= form.capacity:
                return Proof(narrower, tuple(kept))
    return ProofFull(len(fingerprints))


def _differences(fingerprints: Sequence[int]) -> Iterator[int]:
    before = 0
    for each in fingerprints:
        yield each - before
        before = each


def _rice_parameter(fingerprints: Sequence[int], width: int) -> tuple[int, int]:
    """The best parameter, and the number of bits that it needs."""
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


def _to_text(bits: str, form: _Form) -> str:
    step = form.bits_per_character
    values = (int(bits[at : at + step].ljust(step, "0"), 2) for at in range(0, len(bits), step))
    if form is _DENSE:
        return "".join(chr(_DENSE_START + value) for value in values)
    return "".join(_ALPHABET[value] for value in values)


def _to_bits(body: str, form: _Form) -> str:
    step = form.bits_per_character
    if form is _DENSE:
        values = [ord(character) - _DENSE_START for character in body]
    else:
        values = [_ALPHABET.index(character) for character in body]
    if not all(0 <= value < 1 << step for value in values):
        raise ValueError("a character is outside the alphabet")
    return "".join(format(value, f"0{step}b") for value in values)


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
    form = {_PLAIN.mark: _PLAIN, _DENSE.mark: _DENSE}.get(text[0])
    if form is None or len(text) <= _HEADER:
        raise ValueError("it does not begin like a proof")
    if checksum != _checksum(head + body):
        raise ValueError("its checksum does not fit")
    width, parameter, count = _number(head[1]), _number(head[2]), _number(head[3:5])
    if not form.narrowest <= width <= form.widest or not 0 < parameter <= width or not count:
        raise ValueError("its header is out of range")
    fingerprints = tuple(_rice_decoded(_to_bits(body, form), parameter, count))
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
