"""The proof of attachments that travels in metadata."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coupon_pipeline.domain.proof import (
    MAX_CHARACTERS,
    PROOF_KEY,
    PROOF_KEYS,
    Proof,
    ProofFull,
    ProofUnreadable,
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


def read(metadata: dict[str, str]) -> Proof:
    """The proof in metadata that is known to hold one."""
    proof = Proof.read(metadata)
    assert isinstance(proof, Proof)
    return proof


@given(few)
def test_a_proof_has_every_attachment_that_went_into_it(attachment_ids: set[str]) -> None:
    """A wrong no would grant a discount a second time."""
    proof = read(proof_of(attachment_ids).metadata())

    assert all(proof.has(each) for each in attachment_ids)


@given(few)
def test_reading_gives_back_what_was_written(attachment_ids: set[str]) -> None:
    """A proof is rewritten many times over the years and must not wear off."""
    proof = proof_of(attachment_ids)

    assert read(proof.metadata()) == proof


@given(st.lists(ids, unique=True, max_size=12), st.randoms(use_true_random=False))
def test_the_text_depends_on_the_set_alone(attachment_ids: list[str], random: Random) -> None:
    """Two runs that attach the same in another order must not keep rewriting the metadata."""
    shuffled = random.sample(attachment_ids, len(attachment_ids))

    assert proof_of(shuffled).metadata() == proof_of(attachment_ids).metadata()


@given(st.lists(st.integers(1, 200), min_size=1, max_size=9))
@settings(max_examples=15, deadline=None)
def test_batches_lead_to_the_same_text_as_all_at_once(sizes: list[int]) -> None:
    """Old fingerprints are narrowed without their ids, so growing must not leave a trace."""
    proof, done = Proof(), 0
    for size in sizes:
        grown = read(proof.metadata()).extended(many(size, start=done))
        done += size
        assert isinstance(grown, Proof) == isinstance(Proof().extended(many(done)), Proof)
        if isinstance(grown, ProofFull):
            return
        proof = grown

    assert proof.metadata() == proof_of(many(done)).metadata()


@given(few, few)
def test_two_proofs_together_prove_what_either_proves(one: set[str], other: set[str]) -> None:
    """A schedule and its subscription both hold a proof; together they tell the whole."""
    together = proof_of(one).together_with(proof_of(other))

    assert together == proof_of(one | other)


@pytest.mark.parametrize("count", [1, 50, 118, 125, 240, 300, 900])
def test_every_value_stays_within_the_metadata_limit(count: int) -> None:
    """Stripe refuses a longer value, and with it the discounts in the same request.

    Whether it counts characters or bytes is not said, so both are kept.
    """
    values = proof_of(many(count)).metadata()

    assert all(len(each) == len(each.encode()) <= MAX_CHARACTERS for each in values.values())
    proof = read(values)
    assert all(proof.has(each) for each in many(count))


@pytest.mark.parametrize(("count", "keys"), [(118, 1), (236, 2), (900, 8)])
def test_a_long_history_takes_as_few_keys_as_it_needs(count: int, keys: int) -> None:
    """A subscription has 50 keys, and they are for others as well."""
    assert tuple(proof_of(many(count)).metadata()) == PROOF_KEYS[:keys]


def test_attachments_that_do_not_fit_are_refused_rather_than_forgotten() -> None:
    """A proof that drops the oldest would let them be granted again."""
    assert Proof().extended(many(1000)) == ProofFull(1000)


@pytest.mark.parametrize(("count", "questions", "at_most"), [(118, 200_000, 2), (900, 200_000, 3)])
def test_wrong_claims_are_as_rare_as_promised(count: int, questions: int, at_most: int) -> None:
    """A wrong yes withholds a discount, so it must be about as rare as a failing disk.

    Expected here: 0.02 and 0.17 of 200,000.
    """
    proof = proof_of(many(count))

    wrong = sum(proof.has(each) for each in many(questions, start=1_000_000))

    assert wrong <= at_most


def test_no_value_is_an_empty_proof() -> None:
    """Every subscription starts without our key."""
    assert Proof.read({}) == Proof.read({PROOF_KEY: ""}) == Proof()
    assert Proof().metadata() == {}


@pytest.mark.parametrize(
    "text", ["true", "p", "pAAAAAAAA", "{}", "managed by ops", "一二三四五六七八"]
)
def test_a_foreign_value_is_not_taken_for_a_proof(text: str) -> None:
    """Somebody else's value under our key must not be overwritten."""
    assert isinstance(Proof.read({PROOF_KEY: text}), ProofUnreadable)
    assert isinstance(Proof.read({PROOF_KEYS[1]: text}), ProofUnreadable)


@given(few.filter(bool), st.data())
def test_a_damaged_proof_is_noticed(attachment_ids: set[str], data: st.DataObject) -> None:
    """Half a proof would let the other half be granted again."""
    text = proof_of(attachment_ids).metadata()[PROOF_KEY]
    at = data.draw(st.integers(0, len(text) - 1))
    damaged = text[:at] + text[at + 1 :]

    assert isinstance(Proof.read({PROOF_KEY: damaged}), ProofUnreadable)
