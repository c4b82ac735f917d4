"""The catalogue of problems: each code once, with its sentence and its remedy.

A code is `area.reason` and stable for ever: people filter, count and document by it. Sentences
name the record and, where two things disagree, both of them. Remedies say what to do and then
which command to run.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from coupon_pipeline.domain.text_as_data import printable


class Effect(StrEnum):
    """What a problem does to the record that has it."""

    BLOCKED = "blocked"
    WARNING = "warning"
    PENDING = "pending"
    NOT_APPLICABLE = "not_applicable"
    REPORTED = "reported"
    """Seen and told, nothing was done because of it."""
    STOPPED = "stopped"
    """The whole run or command ends before anything more is written."""


@dataclass(frozen=True, slots=True)
class ProblemKind:
    """An entry of the catalogue. Sentence and remedy are templates over the same details."""

    code: str
    effect: Effect
    sentence: str
    remedy: str


class _Details(dict[str, str]):
    """A detail that nobody gave must not hide the problem it belongs to."""

    def __missing__(self, key: str) -> str:
        return f"(unknown {key.replace('_', ' ')})"


@dataclass(frozen=True, slots=True)
class RecordNames:
    """What people call the records, by id: an order's number, a product, a coupon's name."""

    orders: Mapping[str, str] = field(default_factory=dict)
    order_items: Mapping[str, str] = field(default_factory=dict)
    quote_coupons: Mapping[str, str] = field(default_factory=dict)

    def order(self, order_id: str) -> str:
        """`order 00000123 (801...)`."""
        return _called("order", self.orders.get(order_id), order_id)

    def order_item(self, order_item_id: str) -> str:
        """`order item Seat 0000000042 (802...)`."""
        return _called("order item", self.order_items.get(order_item_id), order_item_id)

    def quote_coupon(self, quote_coupon_id: str) -> str:
        """`quote coupon "Launch" 0007 (a1C...)`."""
        return _called("quote coupon", self.quote_coupons.get(quote_coupon_id), quote_coupon_id)


def _called(kind: str, name: str | None, record_id: str) -> str:
    return f"{kind} {printable(name)} ({record_id})" if name else f"{kind} {record_id}"


def coupon_name(name: object, number: object) -> str | None:
    """What a quote coupon is called: its name, which may be empty, and its number."""
    given = [f'"{name}"' if name else "", str(number or "")]
    return " ".join(part for part in given if part) or None


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem of one record, ready to be shown."""

    code: str
    details: Mapping[str, str] = field(default_factory=dict)
    order_id: str | None = None
    order_item_id: str | None = None
    quote_coupon_id: str | None = None
    effect_override: Effect | None = None
    """Where a policy changes the catalogue's effect, for example uncertain terms that block."""

    @property
    def effect(self) -> Effect:
        """What it does to the record."""
        return self.effect_override or CATALOGUE[self.code].effect

    @property
    def message(self) -> str:
        """What is wrong, in a sentence."""
        return self.message_with(RecordNames())

    @property
    def fix(self) -> str:
        """What a person can do about it."""
        return self.fix_with(RecordNames())

    def message_with(self, names: RecordNames) -> str:
        """The sentence, with the records called by their names as well."""
        return self.words_with(names)[0]

    def fix_with(self, names: RecordNames) -> str:
        """The remedy, with the records called by their names as well."""
        return self.words_with(names)[1]

    def words_with(self, names: RecordNames) -> tuple[str, str]:
        """Both, for what is said of very many records."""
        known, details = CATALOGUE[self.code], self._all_details(names)
        sentence = known.sentence.format_map(details)
        if known.sentence.startswith(("{coupon}", "{place}")):
            sentence = sentence[:1].upper() + sentence[1:]
        return sentence, known.remedy.format_map(details)

    def _all_details(self, names: RecordNames) -> _Details:
        order = self.order_id
        called = place = names.order(order) if order else "the order"
        if self.order_item_id:
            place = f"{names.order_item(self.order_item_id)} of {place}"
        return _Details(
            {
                "order_id": order or "(unknown order id)",
                "coupon": names.quote_coupon(self.quote_coupon_id)
                if self.quote_coupon_id
                else "the quote coupon",
                "place": place,
                "order": called,
                "again": f"run `coupon-pipeline sync --order {order}`"
                if order
                else "run `coupon-pipeline sync`",
                **{name: printable(value) for name, value in self.details.items()},
            }
        )


@dataclass(frozen=True, slots=True)
class Blocked:
    """A decision that could not be taken, and why. Never an exception: the others go on."""

    code: str
    details: Mapping[str, str] = field(default_factory=dict)

    def problem(
        self,
        *,
        order_id: str | None = None,
        order_item_id: str | None = None,
        quote_coupon_id: str | None = None,
    ) -> Problem:
        """The same, tied to the record that has it; it blocks whatever the catalogue says."""
        usual = CATALOGUE[self.code].effect
        return Problem(
            self.code,
            self.details,
            order_id=order_id,
            order_item_id=order_item_id,
            quote_coupon_id=quote_coupon_id,
            effect_override=None if usual is Effect.BLOCKED else Effect.BLOCKED,
        )


def _catalogue(kinds: Iterable[ProblemKind]) -> dict[str, ProblemKind]:
    return {kind.code: kind for kind in kinds}


_SIGNED = (
    "The order keeps the terms that it was signed with, so editing the coupon now does not reach "
    "it. Agree the intended terms, give them in a corrected quote coupon on an amendment order, "
    "or grant the discount in Stripe by hand."
)
"""What can be done about wrong terms that are already frozen."""
_ELSEWHERE = (
    "If the right value is in another field, name that field in the mapping file and {again}. "
    + _SIGNED
)
"""The frozen fields are all that were readable, so that a mapping may still find it."""

_COUPON_TERMS = (
    ProblemKind(
        "coupon.no_discount",
        Effect.BLOCKED,
        "{coupon} has neither a percentage nor an amount, so there is nothing to grant.",
        _ELSEWHERE,
    ),
    ProblemKind(
        "coupon.amount_and_percent",
        Effect.BLOCKED,
        "{coupon} has both {amount} as an amount and {percent} as a percentage; Stripe takes one.",
        'If only one of the two is used, set the other to "" in the mapping file and {again}. '
        + _SIGNED,
    ),
    ProblemKind(
        "coupon.not_a_number",
        Effect.BLOCKED,
        "{coupon} holds {value!r} in {field}, which is not an exact decimal number.",
        "Map {target} to a number field, or to a text field that holds only digits and a point, "
        "then {again}. " + _SIGNED,
    ),
    ProblemKind(
        "coupon.percent_out_of_range",
        Effect.BLOCKED,
        "{coupon} gives {percent} percent off; it must be above 0 and at most 100.",
        _ELSEWHERE,
    ),
    ProblemKind(
        "coupon.percent_precision",
        Effect.BLOCKED,
        "{coupon} gives {percent} percent off; at most 2 decimals are sent to Stripe.",
        _ELSEWHERE,
    ),
    ProblemKind(
        "coupon.amount_not_positive",
        Effect.BLOCKED,
        "{coupon} takes {amount} {currency} off; an amount must be above 0.",
        _ELSEWHERE,
    ),
    ProblemKind(
        "coupon.amount_precision",
        Effect.BLOCKED,
        "{coupon} takes {amount} {currency} off, but {currency} amounts must be whole multiples "
        "of {step}.",
        _ELSEWHERE,
    ),
    ProblemKind(
        "coupon.duration_invalid",
        Effect.BLOCKED,
        "{coupon} has the duration {duration}; Stripe knows once, repeating and forever.",
        "Map duration to a field that holds one of these, or give one under [coupon.defaults] if "
        "the field is empty, then {again}.",
    ),
    ProblemKind(
        "coupon.months_missing",
        Effect.BLOCKED,
        "{coupon} repeats, but its number of months is {months}; it must be a whole number "
        "above 0.",
        "Give duration_in_months under [coupon.defaults] in the mapping file if the field is "
        "empty, then {again}. " + _SIGNED,
    ),
    ProblemKind(
        "coupon.redemptions_invalid",
        Effect.BLOCKED,
        "{coupon} may be redeemed {redemptions} times; it must be a whole number above 0.",
        'Set max_redemptions to "" in the mapping file if the limit is not meant, then {again}. '
        + _SIGNED,
    ),
    ProblemKind(
        "coupon.name_too_long",
        Effect.BLOCKED,
        "{coupon} has a name of {length} characters, {name!r}; Stripe takes at most {limit}.",
        "Map name to a field with a shorter text in the mapping file, then {again}.",
    ),
    ProblemKind(
        "coupon.redeem_by_invalid",
        Effect.BLOCKED,
        "{coupon} holds {value!r} in {field}, which is neither a date nor a time with its zone.",
        "Map redeem_by to a date or date/time field in the mapping file, then {again}.",
    ),
    ProblemKind(
        "coupon.redeem_by_too_far",
        Effect.BLOCKED,
        "{coupon} can be redeemed until {redeem_by}; Stripe takes at most 5 years ahead.",
        'Set redeem_by to "" in the mapping file if the limit is not needed, then {again}. '
        + _SIGNED,
    ),
    ProblemKind(
        "coupon.products_invalid",
        Effect.BLOCKED,
        "{coupon} limits the discount to {value!r}, which is not a Stripe product id.",
        "Map applies_to.products to a field that holds ids such as prod_ABC, separated by commas "
        "or semicolons, then {again}.",
    ),
    ProblemKind(
        "coupon.record_missing",
        Effect.BLOCKED,
        "{coupon}, associated with {place}, cannot be read in Salesforce and the order has no "
        "copy of it.",
        "Restore it from the recycle bin, or give the integration user read access to it, then "
        "{again}.",
    ),
    ProblemKind(
        "coupon.terms_uncertain",
        Effect.WARNING,
        "{place} was activated at {activated_at}, but the oldest known state of {coupon} is of "
        "{effective_at}: nothing proves which terms were signed.",
        "Compare the coupon's field history with the signed quote. If they differ, correct the "
        "discount in Stripe by hand; to hold such coupons back instead, set "
        "COUPON_PIPELINE_UNCERTAIN_TERMS=block. Where they are held back, add the missing order "
        "coupon with the signed terms in Salesforce and {again}. If it stays held back, a run "
        "before that setting has frozen the terms of today: grant the discount in Stripe by hand, "
        "or set COUPON_PIPELINE_UNCERTAIN_TERMS=use if they are right.",
    ),
    ProblemKind(
        "coupon.race",
        Effect.WARNING,
        "{place} was activated at {activated_at} and {coupon} changed at {effective_at}, so close "
        "that the copy may have missed the change: {differences}.",
        "The terms on the order are used. Let the workflow that edits the coupon run before the "
        "order's update, and check this order: `coupon-pipeline explain {order_id}`.",
    ),
)

_METADATA = (
    ProblemKind(
        "metadata.too_many_keys",
        Effect.BLOCKED,
        "The mapping gives a coupon {count} metadata keys, ours included; Stripe takes at most "
        "{limit}.",
        "Remove keys from [coupon.metadata] in the mapping file, then run `coupon-pipeline sync`.",
    ),
    ProblemKind(
        "metadata.key_invalid",
        Effect.BLOCKED,
        "The metadata key {key!r} must have 1 to {limit} characters and no square brackets.",
        "Rename the key under [coupon.metadata] in the mapping file, then run "
        "`coupon-pipeline sync`.",
    ),
    ProblemKind(
        "metadata.value_too_long",
        Effect.BLOCKED,
        "The metadata key {key!r} of {coupon} would hold {length} characters from {path}; Stripe "
        "takes at most {limit}.",
        "Map the key to a shorter field, or remove it from [coupon.metadata], then {again}.",
    ),
)

_STRIPE_STATE = (
    ProblemKind(
        "coupon.deleted_in_stripe",
        Effect.BLOCKED,
        "Stripe coupon {coupon_id} of {coupon} is not in the Stripe account any more; discounts "
        "made from it go on, new ones cannot be made.",
        "If it was deleted to end the offer, nothing is to be done. If {coupon_id} is from another "
        "Stripe account, clear Stripe_ID__c wherever it names it, on the quote coupon and on the "
        "order coupon, and {again}. Otherwise grant the discount in Stripe by hand.",
    ),
    ProblemKind(
        "coupon.expired",
        Effect.BLOCKED,
        "Stripe coupon {coupon_id} of {coupon} could be redeemed until {redeem_by}.",
        "If the customer is still owed it, make a new quote coupon with a later date and put it "
        "on an amendment order, or grant the discount in Stripe by hand.",
    ),
    ProblemKind(
        "coupon.exhausted",
        Effect.BLOCKED,
        "Stripe coupon {coupon_id} of {coupon} has been redeemed {redeemed} times of {limit}, "
        "phases to come that name it included; the limit is shared by all orders that use the "
        "coupon.",
        "If the customer is still owed it, make a new quote coupon with a higher limit and put "
        "it on an amendment order, or grant the discount in Stripe by hand.",
    ),
    ProblemKind(
        "coupon.not_valid",
        Effect.BLOCKED,
        "Stripe says that coupon {coupon_id} of {coupon} cannot be redeemed any more, though its "
        "date and its limit would allow it.",
        "Look at the coupon in the Stripe dashboard; when it is valid again, {again}.",
    ),
    ProblemKind(
        "coupon.id_conflict",
        Effect.BLOCKED,
        "Stripe coupon {coupon_id} exists with other content than {coupon}: {differences}.",
        "If only its name was changed in Stripe, change it back and {again}. Otherwise find out "
        "who made it; it is neither overwritten nor attached.",
    ),
    ProblemKind(
        "coupon.livemode_mismatch",
        Effect.BLOCKED,
        "Stripe coupon {coupon_id}, named by {coupon}, is of {coupon_mode} mode, and this run "
        "works in {mode} mode.",
        "Clear Stripe_ID__c wherever it names {coupon_id}, on the quote coupon and on the order "
        "coupon, or use the key of the other mode, then {again}.",
    ),
)

_CURRENCY = (
    ProblemKind(
        "currency.missing",
        Effect.BLOCKED,
        "{coupon} takes {amount} off, but no currency is known for it.",
        "In an org with several currencies give the integration user read access to the quote "
        "coupon and its CurrencyIsoCode, or restore it from the recycle bin; with a single "
        "currency set COUPON_PIPELINE_DEFAULT_CURRENCY. Then {again}. If the quote coupon is gone "
        "for good, grant the discount in Stripe by hand.",
    ),
    ProblemKind(
        "currency.unsupported",
        Effect.BLOCKED,
        "{coupon} is in {currency}, which is not used: {reason}.",
        "Use a currency that Stripe takes (docs.stripe.com/currencies) in a corrected quote "
        "coupon on an amendment order. A three-decimal currency that Stripe confirmed for the "
        "account is switched on by COUPON_PIPELINE_EXTRA_CURRENCIES; a code that the org with its "
        "single currency does not mean is corrected in COUPON_PIPELINE_DEFAULT_CURRENCY. Then "
        "{again}.",
    ),
    ProblemKind(
        "currency.mismatch",
        Effect.BLOCKED,
        "The {first} is in {first_currency}, but the {second} is in {second_currency}: an amount "
        "off of {coupon} cannot be granted across currencies.",
        "Give the amount in {second_currency} in a corrected quote coupon on an amendment order. "
        'To convert by the rates of Salesforce, set options = "corporate_rates" under [currency] '
        "in the mapping file and {again}.",
    ),
)

_SERIALISATION = (
    ProblemKind(
        "association.late",
        Effect.REPORTED,
        "Association {association_id} of {coupon} was made at {created_at}, after {place} was "
        "activated at {activated_at}: it is not part of what was signed.",
        "If the customer is owed it, associate the coupon with an amendment's quote and activate "
        "the amendment order.",
    ),
    ProblemKind(
        "association.late_applied",
        Effect.REPORTED,
        "Association {association_id} of {coupon} was made at {created_at}, after {place} was "
        "activated at {activated_at}; it is applied because late associations are switched on.",
        "Nothing, if that is meant. See `coupon-pipeline explain {order_id}`.",
    ),
    ProblemKind(
        "association.duplicate",
        Effect.WARNING,
        "{coupon} is associated {count} times with {place} ({association_ids}); it is granted "
        "once.",
        "Delete the associations that are not needed. To grant two discounts, use two quote "
        "coupons.",
    ),
    ProblemKind(
        "order_coupon.missing",
        Effect.WARNING,
        "The managed package left no order coupon on {order} when it was activated; that "
        "of {coupon} for {place} is taken from the associations.",
        "Nothing, if write-back is on: the missing order coupon is created. Otherwise create it "
        "in Salesforce, then {again}.",
    ),
    ProblemKind(
        "order_coupon.partial",
        Effect.WARNING,
        "The managed package left only some order coupons on {order} when it was "
        "activated; that of {coupon} for {place} is taken from the associations.",
        "Nothing, if write-back is on: the missing order coupon is created. Otherwise create it "
        "in Salesforce, then {again}.",
    ),
    ProblemKind(
        "order_coupon.duplicate",
        Effect.WARNING,
        "{place} has {count} order coupons of {coupon} ({order_coupon_ids}); the first one, "
        "{order_coupon_id}, is used.",
        "Delete the copies that are not meant in Salesforce, and compare the first one with what "
        "was signed: `coupon-pipeline explain {order_id}`.",
    ),
    ProblemKind(
        "order_coupon.currency_differs",
        Effect.REPORTED,
        "Order coupon {order_coupon_id} is in {order_coupon_currency}, but {coupon} is in "
        "{quote_coupon_currency}, which is used.",
        "Nothing: the package does not copy the currency. Correct the order coupon in Salesforce "
        "if reports rely on it.",
    ),
)

_TARGETS = (
    ProblemKind(
        "target.none_yet",
        Effect.PENDING,
        "{place} has no subscription or schedule in Stripe so far.",
        "Nothing: each run tries it again. When the order has been synced to Stripe, {again}.",
    ),
    ProblemKind(
        "target.not_subscription",
        Effect.NOT_APPLICABLE,
        "{place} is billed by {target_id}, which is no subscription, so no discount can be "
        "attached.",
        "Nothing, if the order is one-time. Otherwise correct Stripe_ID__c of the order and "
        "{again}.",
    ),
    ProblemKind(
        "target.not_found",
        Effect.BLOCKED,
        "{target_id}, named by {place}, is not in the Stripe account.",
        "Correct Stripe_ID__c of the order, or use the key of its Stripe account, then {again}.",
    ),
    ProblemKind(
        "target.ended",
        Effect.BLOCKED,
        "{target_id} of {place} has ended ({status}), so it bills nothing more.",
        "If the customer is still owed the discount, credit it in Stripe by hand.",
    ),
    ProblemKind(
        "target.item_not_found",
        Effect.BLOCKED,
        "No subscription item of {target_id} is known to be that of {place}.",
        "Give the subscription item the metadata key salesforce_order_item_id with the order "
        "item's id, or write the item's id into Stripe_ID__c of the order item, then {again}.",
    ),
    ProblemKind(
        "target.too_many_discounts",
        Effect.BLOCKED,
        "{target_id} would carry {count} discounts; Stripe takes at most {limit}.",
        "Remove discounts that are no longer owed from {target_id} in Stripe, then {again}.",
    ),
    ProblemKind(
        "target.schedule_unsupported",
        Effect.BLOCKED,
        "{target_id} of {place} is managed by subscription schedule {schedule_id}, whose phases "
        "cannot be sent back unchanged: {reason}.",
        "Add the coupon to the schedule's phases in Stripe by hand.",
    ),
)

_ATTACHMENTS = (
    ProblemKind(
        "target.incomplete",
        Effect.PENDING,
        "{target_id} of {place} waits for its first payment.",
        "Nothing: it is tried again by each run, until the payment is made or the subscription "
        "expires.",
    ),
    ProblemKind(
        "target.item_removed",
        Effect.NOT_APPLICABLE,
        "{target_id} does not bill {place} any more: the line was removed or has no quantity left.",
        "Nothing, if the line was amended away. Otherwise give the item that bills it the "
        "metadata key salesforce_order_item_id with the order item's id, then {again}.",
    ),
    ProblemKind(
        "target.no_phase_yet",
        Effect.PENDING,
        "No current or future phase of {target_id} belongs to {place} so far.",
        "Nothing: it is tried again by each run. If the order has its phase, give the phase the "
        "metadata key salesforce_order_id with the order's id, then {again}.",
    ),
    ProblemKind(
        "target.contract_conflict",
        Effect.BLOCKED,
        "The amendment names {target_id}, and the initial order of its contract names "
        "{other_target_id}: one of them is wrong, and the discount could be granted to the wrong "
        "subscription.",
        "Correct Stripe_ID__c on the amendment (empty is enough) or on the initial order "
        "{initial_order_id}, or the contract of the amendment, then {again}.",
    ),
    ProblemKind(
        "target.coupon_in_use",
        Effect.PENDING,
        "{target_id} already has a discount from Stripe coupon {coupon_id}, granted for another "
        "order; Stripe takes a coupon once in a list.",
        "Nothing: it is granted when the other has run out. To have both at once, use two quote "
        "coupons.",
    ),
    ProblemKind(
        "target.phase_mismatch",
        Effect.BLOCKED,
        "The items of {target_id} are not those of its current phase in {schedule_id}, so the "
        "phase cannot be sent back without losing or repeating a discount.",
        "Bring the schedule's current phase and the subscription into line in Stripe, then "
        "{again}.",
    ),
    ProblemKind(
        "target.proof_unreadable",
        Effect.BLOCKED,
        "The metadata key coupon_pipeline of {target_id} does not hold a proof of attachments: "
        "{reason}.",
        "If something else wrote it, restore the earlier value from the event log in Stripe, or "
        "remove the key if {target_id} never got a discount from this pipeline; then {again}.",
    ),
    ProblemKind(
        "target.proof_full",
        Effect.BLOCKED,
        "The proof on {target_id} holds {count} attachments and has no room for another.",
        "The limit is about 900 attachments a subscription over its life. Grant the discount in "
        "Stripe by hand, or start a new subscription for the customer.",
    ),
    ProblemKind(
        "target.metadata_full",
        Effect.BLOCKED,
        "{target_id} or a phase of it has {limit} metadata keys, Stripe's limit, and the proof of "
        "the attachment needs another.",
        "Remove a metadata key that is not needed from {target_id} or the phase in Stripe, then "
        "{again}.",
    ),
    ProblemKind(
        "target.changed_meanwhile",
        Effect.WARNING,
        "{target_id} was changed by somebody else while it was written: {differences}.",
        "Look at {target_id} in the Stripe dashboard, then {again}.",
    ),
    ProblemKind(
        "target.phase_begun",
        Effect.PENDING,
        "A new phase of {target_id} began while {coupon} for {place} was put on the one before, so "
        "that it took no effect.",
        "Nothing: the next run grants it on the phase that is on.",
    ),
    ProblemKind(
        "attachment.ended_with_phase",
        Effect.REPORTED,
        "The discount of {coupon} for {place} ended with a phase of {target_id}: the next one "
        "began just when it was sent on.",
        "If the customer is owed it still, add coupon {coupon_id} to {target_id} in Stripe by "
        "hand. It begins anew then, so the pipeline does not do that by itself.",
    ),
    ProblemKind(
        "target.overwritten",
        Effect.REPORTED,
        "Somebody added {discounts} to {target_id} in the seconds before a write of ours, which "
        "took that away: the write replaces the list that was read.",
        "If the customer is owed it, add the coupon to {target_id} in Stripe by hand. It begins "
        "anew then, so the pipeline does not do that by itself.",
    ),
    ProblemKind(
        "target.edit_overwritten",
        Effect.REPORTED,
        "Somebody edited {target_id} in the seconds before a write of ours, which undid that: "
        "{edits}. The write sends the phases that were read.",
        "If the edit was meant, make it in Stripe again.",
    ),
    ProblemKind(
        "stripe.events_unread",
        Effect.REPORTED,
        "Nobody could look whether writes of ours undid what others changed in the seconds "
        "before: {message}",
        "Give the key the permission Events: Read in the Stripe dashboard (docs/permissions.md), "
        "or set COUPON_PIPELINE_READ_EVENTS=false. `coupon-pipeline audit` looks again.",
    ),
    ProblemKind(
        "attachment.removed_by_hand",
        Effect.REPORTED,
        "The discount of {coupon} (Stripe coupon {coupon_id}) was granted and is not on "
        "{target_id} any more: somebody removed it, or a phase that has begun had no room for it. "
        "It is not granted again.",
        "Nothing, if that is meant. Otherwise add the coupon in Stripe by hand.",
    ),
    ProblemKind(
        "attachment.on_other_target",
        Effect.REPORTED,
        "The discount of {coupon} for {place} was granted on {other_target_id}; the order now "
        "names {target_id}, where it is not granted a second time.",
        "If the customer is owed it on {target_id} too, add the coupon there in Stripe by hand.",
    ),
    ProblemKind(
        "attachment.superseded",
        Effect.REPORTED,
        "The discount of {coupon} for {place} was granted from Stripe coupon {granted_id} before "
        "mapping or settings changed, and stays: {differences}.",
        "Nothing, if what was granted is right. Otherwise replace it: run `coupon-pipeline sync "
        "--order {order_id} --replace-attached {name}`.",
    ),
    ProblemKind(
        "attachment.replacement_spent",
        Effect.REPORTED,
        "The discount of {coupon} for {place} was to be replaced, but {how}; what a customer has "
        "had is not granted again.",
        "Nothing, if that is right. Otherwise add the coupon in Stripe by hand.",
    ),
    ProblemKind(
        "attachment.replacement_end",
        Effect.REPORTED,
        "The discount of {coupon} for {place} was to be replaced and stays as it is, because "
        "Stripe cannot give the new one the end of the old one: {reason}.",
        "Nothing, if it may run as it is. Otherwise remove the discount from the subscription in "
        "Stripe by hand, and add a coupon there.",
    ),
    ProblemKind(
        "attachment.replacement_shared",
        Effect.REPORTED,
        "The discount of {coupon} for {place} was to be replaced and stays as it is, because it is "
        "at the same time the discount of order {other_order_id}.",
        "Name both: run `coupon-pipeline sync --replace-attached {order_id} --replace-attached "
        "{other_order_id}`.",
    ),
    ProblemKind(
        "attachment.replacement_refused",
        Effect.REPORTED,
        "The discount of {coupon} for {place} was to be replaced and stays as it is: {reason}.",
        "Put right what is named, then ask for the replacement again.",
    ),
)

_ACCESS = (
    ProblemKind(
        "salesforce.permission",
        Effect.BLOCKED,
        "Salesforce refused {operation} on {object}: the integration user lacks {permission}.",
        "Grant {permission} to the integration user in a permission set, then {again}.",
    ),
    ProblemKind(
        "salesforce.row_refused",
        Effect.BLOCKED,
        "Salesforce refused {operation} on {object}: {reason}.",
        "Correct the record in Salesforce, then {again}.",
    ),
    ProblemKind(
        "salesforce.row_locked",
        Effect.PENDING,
        "Somebody else held the record of {object} during {operation}.",
        "Nothing: it is tried again by each run.",
    ),
    ProblemKind(
        "stripe.permission",
        Effect.BLOCKED,
        "Stripe refused {operation}: the key lacks {permission}.",
        "Grant {permission} to the restricted key in the Stripe dashboard, then {again}.",
    ),
    ProblemKind(
        "stripe.rejected",
        Effect.BLOCKED,
        "Stripe will not carry out {operation}: {message}",
        "Correct what the message names, then {again}. Request {request_id} in Stripe's log "
        "holds the details.",
    ),
    ProblemKind(
        "stripe.unavailable",
        Effect.PENDING,
        "Stripe gave no usable answer to {operation}: {message}",
        "Nothing is lost: {again} when Stripe answers again.",
    ),
    ProblemKind(
        "stripe.object_busy",
        Effect.PENDING,
        "Stripe was changing the object of {operation} at the same time, and did not let go of it.",
        "Nothing is lost: {again}.",
    ),
)

_MAPPING = (
    ProblemKind(
        "mapping.invalid",
        Effect.BLOCKED,
        "The mapping file is not valid at {where}: {reason}.",
        "{advice} Then run `coupon-pipeline plan`.",
    ),
    ProblemKind(
        "mapping.path_invalid",
        Effect.BLOCKED,
        "The mapping of {target} at {where} is {path!r}, which is not a path from the quote "
        "coupon: {reason}.",
        "Write it as SOQL would, such as Name__c or Campaign__r.Name, then run "
        "`coupon-pipeline plan`.",
    ),
    ProblemKind(
        "mapping.default_invalid",
        Effect.BLOCKED,
        "The default of {target} at {where} is {value!r}: {reason}.",
        "Correct it under [coupon.defaults] in the mapping file, then run `coupon-pipeline plan`.",
    ),
    ProblemKind(
        "mapping.key_reserved",
        Effect.BLOCKED,
        "The metadata key {key!r} at {where} is written by the pipeline itself.",
        "Use another key under [coupon.metadata], then run `coupon-pipeline plan`.",
    ),
    ProblemKind(
        "mapping.field_unknown",
        Effect.BLOCKED,
        "The mapping of {target} names {path}, but {object} has no field {field} that the "
        "integration user can read; the nearest is {nearest}.",
        "Correct the path in the mapping file, or give the integration user read access to the "
        "field, then run `coupon-pipeline plan`.",
    ),
    ProblemKind(
        "mapping.field_not_readable",
        Effect.BLOCKED,
        "The mapping of {target} names {path}, and {field} exists on {object}, but the "
        "integration user may not read it.",
        "Grant read access to {object}.{field} in a permission set, then run "
        "`coupon-pipeline plan`.",
    ),
    ProblemKind(
        "mapping.relationship_unknown",
        Effect.BLOCKED,
        "The mapping of {target} names {path}, but {object} has no relationship {field}; the "
        "nearest is {nearest}.",
        "Correct the path in the mapping file (a custom lookup ends in __r within a path), then "
        "run `coupon-pipeline plan`.",
    ),
    ProblemKind(
        "mapping.field_wrong_type",
        Effect.BLOCKED,
        "The mapping of {target} names {path}, a {type} field; {target} needs {expected}.",
        "Name a field of a fitting type in the mapping file, then run `coupon-pipeline plan`.",
    ),
)

_PLAN_AGAIN = "Run `coupon-pipeline plan --out FILE` again, look at it, and apply that one."

_PLANS = (
    ProblemKind(
        "plan.unreadable",
        Effect.STOPPED,
        "The file is not a plan that this version can apply: {reason}.",
        _PLAN_AGAIN,
    ),
    ProblemKind(
        "plan.tampered",
        Effect.STOPPED,
        "The plan file was changed after it was written: its content does not fit its hash.",
        _PLAN_AGAIN,
    ),
    ProblemKind(
        "plan.other_accounts",
        Effect.STOPPED,
        "The plan was made for {planned}, but the settings name {now}.",
        "Use the settings that the plan was made with. " + _PLAN_AGAIN,
    ),
    ProblemKind(
        "plan.already_applied",
        Effect.STOPPED,
        "The plan was applied, or begun, at {applied_at}; a plan is applied once.",
        "If that run was broken off, `coupon-pipeline sync` or a new plan finishes it.",
    ),
    ProblemKind(
        "plan.too_old",
        Effect.STOPPED,
        "The plan is of {made_at}; a plan may be {hours} hours old.",
        _PLAN_AGAIN + " COUPON_PIPELINE_PLAN_MAX_AGE_HOURS or --max-age sets how old it may be.",
    ),
    ProblemKind(
        "plan.changed",
        Effect.STOPPED,
        "What the plan rests on has changed since it was made: {changed}.",
        _PLAN_AGAIN,
    ),
    ProblemKind(
        "plan.not_in_plan",
        Effect.BLOCKED,
        "Something changed while the plan was applied, so that {operation} would not be what the "
        "plan says; it was left undone.",
        "Run `coupon-pipeline plan` to see what is to be done now.",
    ),
)

_RAISE = (
    "Look at the plan: `coupon-pipeline plan`. If it is meant, raise the cap knowingly for one run "
)

_LIVE_MONEY = (
    ProblemKind(
        "live.flag_missing",
        Effect.STOPPED,
        "The Stripe key is a live one, and COUPON_PIPELINE_LIVE is with_flag: writes need the "
        "flag as well.",
        "Give --live when live money is meant; in Dagster's launchpad, live: true of the "
        "resource options.",
    ),
    ProblemKind(
        "live.sandbox_org",
        Effect.STOPPED,
        "The Stripe key is a live one, but the Salesforce org {org} is a sandbox: its orders are "
        "copies, and real customers would get their discounts.",
        "Use a test key with a sandbox org, or the production org with the live key.",
    ),
    ProblemKind(
        "cap.coupons",
        Effect.STOPPED,
        "The run would make {found} Stripe coupons, and the cap is {limit}.",
        _RAISE + "with --max-coupons, or for good with COUPON_PIPELINE_MAX_COUPONS.",
    ),
    ProblemKind(
        "cap.attachments",
        Effect.STOPPED,
        "The run would attach {found} discounts, and the cap is {limit}.",
        _RAISE + "with --max-attachments, or for good with COUPON_PIPELINE_MAX_ATTACHMENTS.",
    ),
    ProblemKind(
        "cap.percent",
        Effect.STOPPED,
        "The run would give {found} percent off, and the cap is {limit}.",
        _RAISE + "with --max-percent, or for good with COUPON_PIPELINE_MAX_PERCENT.",
    ),
    ProblemKind(
        "cap.amount",
        Effect.STOPPED,
        "The run would attach discounts of {found} together, and the cap is {limit}.",
        _RAISE + "with --max-amount, or for good with COUPON_PIPELINE_MAX_AMOUNT.",
    ),
    ProblemKind(
        "cap.growth",
        Effect.STOPPED,
        "The run would attach {found} discounts; after the last runs, {limit} are to be expected "
        "at most.",
        _RAISE + "with --max-growth, or for good with COUPON_PIPELINE_MAX_GROWTH.",
    ),
)

_RUNS = (
    ProblemKind(
        "run.failed",
        Effect.STOPPED,
        "The step {step} ended with {error}.",
        "Open the run in Dagster: its log tells where. Nothing is lost; run the same days again.",
    ),
    ProblemKind(
        "run.interrupted",
        Effect.STOPPED,
        "The program of the run ended before the run did.",
        "Nothing is lost and nothing is done twice: run the same days again. If it happens again, "
        "look at the memory and the log of the machine.",
    ),
    ProblemKind(
        "run.options_invalid",
        Effect.STOPPED,
        "The options of the run make no sense: {what}.",
        "Correct them in the launchpad, where each field says what it takes, and launch again.",
    ),
    ProblemKind(
        "run.check_failed",
        Effect.STOPPED,
        "A check that stands before a write did not pass, so that nothing was written after it.",
        "Open the check in Dagster: it names the records and what to do.",
    ),
)

CATALOGUE: Mapping[str, ProblemKind] = _catalogue(
    (
        *_COUPON_TERMS,
        *_METADATA,
        *_STRIPE_STATE,
        *_CURRENCY,
        *_SERIALISATION,
        *_TARGETS,
        *_ATTACHMENTS,
        *_ACCESS,
        *_MAPPING,
        *_PLANS,
        *_LIVE_MONEY,
        *_RUNS,
    )
)


def render(code: str, details: Mapping[str, str]) -> tuple[str, str]:
    """Sentence and remedy of a code, for what is not about one record."""
    problem = Problem(code, details)
    return problem.message, problem.fix
