"""Writes to an org over HTTP: in collections, each row with its own result."""

import json
from collections.abc import Mapping
from decimal import Decimal

import pytest

from coupon_pipeline.salesforce import (
    ORDER_COUPON,
    QUOTE_COUPON,
    STRIPE_ID,
    SYNC_RECORD,
    AccessToken,
    RowOutcome,
    SalesforceEdge,
    WriteNotAllowed,
)
from coupon_pipeline.salesforce.names import Names
from coupon_pipeline.salesforce.write_back import Writer
from coupon_pipeline.sandbox.calls import CallLog
from coupon_pipeline.sandbox.faults import FaultPlan, FaultRule
from coupon_pipeline.sandbox.salesforce import SalesforceService
from tests.salesforce.scripted import CREDENTIALS, Open, Reply, Request, ScriptedServer, Waits

GONE = "a1C000000000999EAA"


def coupons(salesforce: SalesforceService, count: int) -> list[str]:
    coupon = {"Name__c": "Spring", "Percent_Off__c": 10, "Duration__c": "once"}
    return salesforce.insert(QUOTE_COUPON, [coupon] * count)


def an_order(salesforce: SalesforceService) -> str:
    (account,) = salesforce.insert("Account", [{"Name": "Acme"}])
    return salesforce.insert("Order", [{"AccountId": account, "Status": "Activated"}])[0]


def an_order_coupon(order_id: str, **fields: object) -> Mapping[str, object]:
    return {
        "Order__c": order_id,
        "Quote_Stripe_Coupon_Id__c": GONE,
        "Duration__c": "once",
        **fields,
    }


def records(request: Request) -> list[dict[str, str]]:
    sent: list[dict[str, str]] = json.loads(request.body)["records"]
    return sent


def stripe_ids(salesforce: SalesforceService) -> list[object]:
    return [row.get(STRIPE_ID) for row in salesforce.all(QUOTE_COUPON)]


def test_records_are_written_two_hundred_at_a_time(
    salesforce: SalesforceService, edge: SalesforceEdge, calls: CallLog
) -> None:
    """A collection takes no more."""
    ids = coupons(salesforce, 401)

    results = edge.update_records(
        QUOTE_COUPON, [(id_, {STRIPE_ID: f"sf-{number}"}) for number, id_ in enumerate(ids)]
    )

    assert [result.record_id for result in results] == ids
    assert all(result.success for result in results)
    assert stripe_ids(salesforce) == [f"sf-{number}" for number in range(401)]
    assert [call.method for call in calls.all()] == ["PATCH"] * 3


def test_a_refused_row_does_not_hold_up_the_others(
    salesforce: SalesforceService, edge: SalesforceEdge
) -> None:
    """Each row is accepted or refused by itself, and results stand where their rows stood."""
    first, second = coupons(salesforce, 2)

    results = edge.update_records(
        QUOTE_COUPON,
        [(first, {STRIPE_ID: "a"}), (GONE, {STRIPE_ID: "b"}), (second, {STRIPE_ID: "c"})],
    )

    assert [result.outcome for result in results] == [
        RowOutcome.DONE,
        RowOutcome.REFUSED,
        RowOutcome.DONE,
    ]
    refused = results[1]
    assert refused.record_id == GONE
    assert refused.code == "salesforce.row_refused"
    assert refused.error_code
    assert refused.message
    assert refused.fix
    assert stripe_ids(salesforce) == ["a", "c"]


def test_a_missing_permission_is_told_for_each_row(salesforce: SalesforceService) -> None:
    """The package's permission set does not let its user write ids on order coupons."""
    (order_coupon,) = salesforce.insert(ORDER_COUPON, [an_order_coupon(an_order(salesforce))])
    edge_of_coupon_user = SalesforceEdge(
        salesforce.instance_url,
        AccessToken(salesforce.coupon_user_token),
        namespace="stripeConnector",
        api_version="67.0",
    )

    (result,) = edge_of_coupon_user.update_records(ORDER_COUPON, [(order_coupon, {STRIPE_ID: "x"})])
    edge_of_coupon_user.close()

    assert result.outcome is RowOutcome.REFUSED
    assert result.code == "salesforce.permission"
    assert "stripeConnector__Order_Stripe_Coupon__c" in result.permission
    assert "Stripe Connector Coupon User" in result.fix


def test_missing_order_coupons_are_created(
    salesforce: SalesforceService, edge: SalesforceEdge
) -> None:
    """Numbers arrive exactly, and the new ids come back in order."""
    order = an_order(salesforce)

    results = edge.create_records(
        ORDER_COUPON,
        [
            {
                "Order__c": order,
                "Quote_Stripe_Coupon_Id__c": GONE,
                "Duration__c": "repeating",
                "Duration_In_Months__c": 3,
                "Percent_Off__c": Decimal("12.50"),
                "CurrencyIsoCode": "EUR",
            },
            {
                "Order__c": order,
                "Quote_Stripe_Coupon_Id__c": GONE,
                "Duration__c": "once",
                "Amount_Off__c": Decimal(123456789012345678),
            },
        ],
    )

    made = [salesforce.get(ORDER_COUPON, result.record_id or "") for result in results]
    assert all(result.success for result in results)
    assert made[0] is not None
    assert made[1] is not None
    assert made[0]["Percent_Off__c"] == Decimal("12.5")
    assert made[0]["CurrencyIsoCode"] == "EUR"
    assert made[1]["Amount_Off__c"] == Decimal(123456789012345678)


@pytest.mark.parametrize("multi_currency", [False])
def test_fields_without_a_value_are_left_out_of_new_records(
    salesforce: SalesforceService, edge: SalesforceEdge
) -> None:
    """An org with a single currency does not even know the currency's field."""
    (result,) = edge.create_records(
        ORDER_COUPON,
        [
            {
                "Order__c": an_order(salesforce),
                "Quote_Stripe_Coupon_Id__c": GONE,
                "Duration__c": "once",
                "CurrencyIsoCode": None,
            }
        ],
    )

    assert result.success


def test_sync_records_are_written_once_for_each_compound_id(
    salesforce: SalesforceService, edge: SalesforceEdge
) -> None:
    """The outcome of today replaces that of yesterday."""
    row = {"Compound_ID__c": "801-802", "Resolution_Status__c": "Error"}

    (first,) = edge.upsert_records(SYNC_RECORD, [row])
    (second,) = edge.upsert_records(SYNC_RECORD, [{**row, "Resolution_Status__c": "Resolved"}])

    (held,) = salesforce.all(SYNC_RECORD)
    assert first.record_id == second.record_id == held["Id"]
    assert held["Resolution_Status__c"] == "Resolved"


@pytest.mark.parametrize(
    ("object_name", "fields"),
    [
        (QUOTE_COUPON, {"Name__c": "Other"}),
        (QUOTE_COUPON, {STRIPE_ID: "x", "Percent_Off__c": 100}),
        (ORDER_COUPON, {"Amount_Off__c": 1}),
        ("Order", {STRIPE_ID: "sub_1"}),
        ("Quote_Stripe_Coupon_Association__c", {"Quote_Stripe_Coupon__c": GONE}),
    ],
)
def test_nothing_else_is_ever_updated(
    edge: SalesforceEdge, calls: CallLog, object_name: str, fields: Mapping[str, str | int]
) -> None:
    """What sales people signed is theirs: the pipeline writes Stripe ids and nothing beside."""
    with pytest.raises(WriteNotAllowed):
        edge.update_records(object_name, [(GONE, fields)])

    assert calls.all() == []


@pytest.mark.parametrize("object_name", [QUOTE_COUPON, "Order", "Sync_Record__c"])
def test_nothing_but_order_coupons_is_created(edge: SalesforceEdge, object_name: str) -> None:
    """A second quote coupon would be a second discount."""
    with pytest.raises(WriteNotAllowed):
        edge.create_records(object_name, [{STRIPE_ID: "x"}])


def test_a_record_is_named_once(edge: SalesforceEdge) -> None:
    """Two values for one record leave it to chance which one stays."""
    with pytest.raises(ValueError, match="its own id"):
        edge.update_records(QUOTE_COUPON, [(GONE, {STRIPE_ID: "a"}), (GONE[:15], {STRIPE_ID: "b"})])


def test_a_locked_record_is_tried_again(
    salesforce: SalesforceService, edge: SalesforceEdge, faults: FaultPlan, waited: list[float]
) -> None:
    """Somebody has it open for a moment; nothing was written meanwhile."""
    (coupon,) = coupons(salesforce, 1)
    faults.arm(FaultRule(service="salesforce", kind="row_locked", times=2))
    (updated,) = edge.update_records(QUOTE_COUPON, [(coupon, {STRIPE_ID: "a"})])
    faults.arm(FaultRule(service="salesforce", kind="row_locked", times=2))
    (created,) = edge.create_records(
        ORDER_COUPON,
        [
            {
                "Order__c": an_order(salesforce),
                "Quote_Stripe_Coupon_Id__c": coupon,
                "Duration__c": "once",
            }
        ],
    )

    assert updated.success
    assert created.success
    assert len(salesforce.all(ORDER_COUPON)) == 1
    assert len(waited) == 4


def test_an_update_whose_answer_was_lost_is_sent_again(
    salesforce: SalesforceService, edge: SalesforceEdge, faults: FaultPlan
) -> None:
    """Setting the same id twice changes nothing."""
    (coupon,) = coupons(salesforce, 1)
    faults.arm(FaultRule(service="salesforce", kind="cut_after", method="PATCH"))

    (result,) = edge.update_records(QUOTE_COUPON, [(coupon, {STRIPE_ID: "a"})])

    assert result.success
    assert stripe_ids(salesforce) == ["a"]


@pytest.mark.parametrize("kind", ["cut_after", "truncated", "error_after"])
def test_a_create_whose_answer_was_lost_is_not_sent_again(
    salesforce: SalesforceService, edge: SalesforceEdge, faults: FaultPlan, kind: str
) -> None:
    """Twice the order coupon is twice the discount; the next run reads what is there."""
    order = an_order(salesforce)
    faults.arm(FaultRule(service="salesforce", kind=kind, method="POST"))

    (result,) = edge.create_records(
        ORDER_COUPON,
        [{"Order__c": order, "Quote_Stripe_Coupon_Id__c": GONE, "Duration__c": "once"}],
    )

    assert result.outcome is RowOutcome.UNKNOWN
    assert len(salesforce.all(ORDER_COUPON)) == 1


def test_an_outage_half_way_does_not_hide_what_was_written(
    salesforce: SalesforceService, edge: SalesforceEdge, faults: FaultPlan
) -> None:
    """The first two hundred are done and must be remembered as done."""
    ids = coupons(salesforce, 500)
    faults.arm(FaultRule(service="salesforce", kind="maintenance", after=1, times=None))

    results = edge.update_records(QUOTE_COUPON, [(id_, {STRIPE_ID: "a"}) for id_ in ids])

    assert [result.outcome for result in results] == (
        [RowOutcome.DONE] * 200 + [RowOutcome.UNKNOWN] * 200 + [RowOutcome.NOT_SENT] * 100
    )
    assert {result.code for result in results[200:]} == {"salesforce.unavailable"}
    assert [result.record_id for result in results] == ids


def test_an_exhausted_quota_leaves_rows_unsent(
    salesforce: SalesforceService, edge: SalesforceEdge, faults: FaultPlan
) -> None:
    """Salesforce did nothing with them, so the next run simply sends them."""
    ids = coupons(salesforce, 1)
    faults.arm(FaultRule(service="salesforce", kind="request_limit", times=None))

    (result,) = edge.update_records(QUOTE_COUPON, [(ids[0], {STRIPE_ID: "a"})])

    assert result.outcome is RowOutcome.NOT_SENT
    assert result.code == "salesforce.quota_exhausted"


def test_the_body_sent_names_the_type_of_every_record(
    salesforce: SalesforceService, edge: SalesforceEdge, calls: CallLog
) -> None:
    """One collection may hold several types, so Salesforce asks for it on each."""
    (coupon,) = coupons(salesforce, 1)

    edge.update_records(QUOTE_COUPON, [(coupon[:15], {STRIPE_ID: "a"})])

    (call,) = calls.all()
    assert json.loads(call.body) == {
        "allOrNone": False,
        "records": [
            {
                "attributes": {"type": "stripeConnector__Quote_Stripe_Coupon__c"},
                "stripeConnector__Stripe_ID__c": "a",
                "id": coupon,
            }
        ],
    }


def test_rows_that_somebody_held_are_sent_again_without_the_others(
    server: ScriptedServer, open_session: Open, waits: Waits
) -> None:
    """In a collection a lock is the matter of one row, and a create must not be repeated."""
    locked = {"success": False, "errors": [{"statusCode": "UNABLE_TO_LOCK_ROW", "message": "."}]}
    server.say(
        Reply(body=[locked, {"success": True, "id": "a1D000000000001EAA"}, locked]),
        Reply(body=[{"success": True, "id": "a1D000000000002EAA"}, locked]),
    )
    writer = Writer(open_session(pacing=waits.pacing(attempts=2)), Names(""))
    rows = [{"Quote_Stripe_Coupon_Id__c": str(number)} for number in range(3)]

    results = writer.create(ORDER_COUPON, rows)

    sent = [[row["Quote_Stripe_Coupon_Id__c"] for row in records(each)] for each in server.requests]
    assert sent == [["0", "1", "2"], ["0", "2"]]
    assert [(result.record_id, result.code) for result in results] == [
        ("a1D000000000002EAA", ""),
        ("a1D000000000001EAA", ""),
        (None, "salesforce.row_locked"),
    ]


def test_a_row_that_was_held_and_then_lost_is_unknown(
    server: ScriptedServer, open_session: Open
) -> None:
    """The second time it may have been created; "held" would invite a third."""
    locked = {"success": False, "errors": [{"statusCode": "UNABLE_TO_LOCK_ROW", "message": "."}]}
    server.say(Reply(body=[locked]), Reply(cut=True))

    (result,) = Writer(open_session(), Names("")).create(ORDER_COUPON, [{"Duration__c": "once"}])

    assert result.outcome is RowOutcome.UNKNOWN
    assert len(server.requests) == 2


def test_fewer_answers_than_rows_are_not_matched_up(
    server: ScriptedServer, open_session: Open, waits: Waits
) -> None:
    """An id must never be remembered for another row than the one it was given to."""
    server.say(Reply(body=[{"success": True, "id": "a1D000000000001EAA"}]))
    writer = Writer(open_session(pacing=waits.pacing(attempts=1)), Names(""))

    results = writer.create(ORDER_COUPON, [{"Duration__c": "once"}, {"Duration__c": "once"}])

    assert [result.outcome for result in results] == [RowOutcome.UNKNOWN] * 2


def test_a_create_that_waited_for_a_login_is_sent_when_there_is_one(
    salesforce: SalesforceService, faults: FaultPlan, waits: Waits
) -> None:
    """Nothing was created while nobody was logged in, so nothing can be created twice."""
    edge = SalesforceEdge(
        salesforce.instance_url,
        CREDENTIALS,
        namespace="stripeConnector",
        api_version="67.0",
        pacing=waits.pacing(),
    )
    faults.arm(FaultRule(service="salesforce", kind="cut_after", path="oauth2/token", times=2))

    (result,) = edge.create_records(
        ORDER_COUPON,
        [
            {
                "Order__c": an_order(salesforce),
                "Quote_Stripe_Coupon_Id__c": GONE,
                "Duration__c": "once",
                "Percent_Off__c": None,
            }
        ],
    )
    edge.close()

    assert result.success
    assert len(salesforce.all(ORDER_COUPON)) == 1


def test_a_request_that_is_refused_as_a_whole_refuses_its_rows(
    server: ScriptedServer, open_session: Open
) -> None:
    """Each row says why, and those that were not sent say the same."""
    server.say(Reply(403, [{"errorCode": "INSUFFICIENT_ACCESS", "message": "No."}]))
    writer = Writer(open_session(), Names(""))

    results = writer.create(ORDER_COUPON, [{"Duration__c": "once"}] * 201)

    assert {result.code for result in results} == {"salesforce.permission"}
    assert [result.outcome for result in results] == (
        [RowOutcome.REFUSED] * 200 + [RowOutcome.NOT_SENT]
    )
