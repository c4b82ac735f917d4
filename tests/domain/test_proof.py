"""The proof of attachments that travels in one metadata value."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coupon_pipeline.domain.proof import (
    MAX_CHARACTERS,
    Proof,
    ProofFull,
    ProofUnreadable,
    encode_proof,
)

ids = st.text("0123456789abcdef", min_size=16, max_size=16)
few = st.sets(ids, max_size=12)


def many(count: int, *, start: int = 0) -> list[str]:
    """Distinct attachment ids."""
    return [f"snapshot-{number}" for number in range(start, start + count)]


def proof_of(attachment_ids: list[str] | set[str]) -> Proof:
    """The proof of attachments that are known to fit."""
    proof = Proof().extended(attachment_ids)
    assert isinstance(proof, Proof)
    return proof


def read(text: str) -> Proof:
    """The proof in a value that is known to be one."""
    proof = Proof.parse(text)
    assert isinstance(proof, Proof)
    return proof


@given(few)
def test_a_proof_has_every_attachment_that_went_into_it(attachment_ids: set[str]) -> None:
    """A wrong no would grant a discount a second time."""
    proof = read(proof_of(attachment_ids).encode())

    assert all(proof.has(each) for each in attachment_ids)


@given(few)
def test_reading_gives_back_what_was_written(attachment_ids: set[str]) -> None:
    """A proof is rewritten many times over the years and must not wear off."""
    proof = proof_of(attachment_ids)

    assert read(proof.encode()) == proof


@given(st.lists(ids, unique=True, max_size=12), st.randoms(use_true_random=False))
def test_the_text_depends_on_the_set_alone(attachment_ids: list[str], random: Random) -> None:
    """Two runs that attach the same in another order must not keep rewriting the metadata."""
    shuffled = random.sample(attachment_ids, len(attachment_ids))

    assert encode_proof(shuffled) == encode_proof(attachment_ids)


@given(st.lists(st.integers(1, 60), min_size=1, max_size=9))
@settings(max_examples=25, deadline=None)
def test_batches_lead_to_the_same_text_as_all_at_once(sizes: list[int]) -> None:
    """Old fingerprints are narrowed without their ids, so growing must not leave a trace."""
    proof, done = Proof(), 0
    for size in sizes:
        grown = read(proof.encode()).extended(many(size, start=done))
        done += size
        assert isinstance(grown, Proof) == isinstance(Proof().extended(many(done)), Proof)
        if isinstance(grown, ProofFull):
            return
        proof = grown

    assert proof.encode() == encode_proof(many(done))


@given(few, few)
def test_a_union_proves_what_either_proves(one: set[str], other: set[str]) -> None:
    """A schedule and its subscription both hold a proof; together they tell the whole."""
    union = proof_of(one).union(proof_of(other))

    assert union == proof_of(one | other)


@pytest.mark.parametrize("count", [1, 50, 100, 130, 132, 200, 300, 370])
def test_a_proof_stays_within_the_metadata_limit(count: int) -> None:
    """Stripe refuses a longer value, and with it the discounts in the same request."""
    text = encode_proof(many(count))

    assert isinstance(text, str)
    assert len(text) <= MAX_CHARACTERS
    assert all(read(text).has(each) for each in many(count))


def test_a_hundred_and_thirty_attachments_fit_into_plain_text() -> None:
    """Dashboards and logs show ASCII as it is; ideographs are for the rare long history."""
    text = encode_proof(many(130))

    assert isinstance(text, str)
    assert text.isascii()


def test_three_hundred_and_seventy_attachments_fit() -> None:
    """A subscription that is amended every month for ten years with three coupons each time."""
    assert isinstance(encode_proof(many(370)), str)


def test_attachments_that_do_not_fit_are_refused_rather_than_forgotten() -> None:
    """A proof that drops the oldest would let them be granted again."""
    assert encode_proof(many(1000)) == ProofFull(1000)


@pytest.mark.parametrize(("count", "questions", "at_most"), [(130, 200_000, 2), (370, 200_000, 14)])
def test_wrong_claims_are_as_rare_as_promised(count: int, questions: int, at_most: int) -> None:
    """A wrong yes withholds a discount, so it must be about as rare as a failing disk.

    Expected here: 0.1 and 2.3 of 200,000.
    """
    proof = proof_of(many(count))

    wrong = sum(proof.has(each) for each in many(questions, start=1_000_000))

    assert wrong <= at_most


def test_no_value_is_an_empty_proof() -> None:
    """Every subscription starts without our key."""
    assert Proof.parse(None) == Proof.parse("") == Proof()
    assert Proof().encode() == ""


@pytest.mark.parametrize(
    "text", ["true", "p", "pAAAAAAAA", "{}", "managed by ops", "一二三四五六七八"]
)
def test_a_foreign_value_is_not_taken_for_a_proof(text: str) -> None:
    """Somebody else's value under our key must not be overwritten."""
    assert isinstance(Proof.parse(text), ProofUnreadable)


@given(few.filter(bool), st.data())
def test_a_damaged_proof_is_noticed(attachment_ids: set[str], data: st.DataObject) -> None:
    """Half a proof would let the other half be granted again."""
    text = proof_of(attachment_ids).encode()
    at = data.draw(st.integers(0, len(text) - 1))
    damaged = text[:at] + text[at + 1 :]

    assert isinstance(Proof.parse(damaged), ProofUnreadable)
