"""Large reads as query jobs: what they cost, and what is done when there is none."""

import json
from decimal import Decimal

import pytest

from coupon_pipeline.salesforce import SalesforceUnavailable
from coupon_pipeline.salesforce.bulk_queries import LEAST_ROWS, PATIENCE
from coupon_pipeline.salesforce.querying import read_pages
from coupon_pipeline.salesforce.statements import Statement
from tests.salesforce.scripted import DATA, Open, Reply, ScriptedServer, Waits

KINDS = {"Id": "id", "Quantity": "double", "Seats__c": "int", "IsDeleted": "boolean"}
STATEMENT = Statement("items", "SELECT Id FROM OrderItem", include_deleted=True, kinds=KINDS)
MADE = Reply(body={"id": "750000000000001AAA", "state": "UploadComplete"})
RUNNING, DONE = Reply(body={"state": "InProgress"}), Reply(body={"state": "JobComplete"})
HEADER = '"Id","Quantity","Product2.Name","Seats__c","IsDeleted"\n'
JOB = f"{DATA}jobs/query/750000000000001AAA"


def first_page(total: int) -> Reply:
    page = {"totalSize": total, "done": True, "records": [{"Id": "of a page"}]}
    part = {"referenceId": "items", "httpStatusCode": 200, "body": page}
    return Reply(body={"compositeResponse": [part]})


def result(text: str, rows: int, locator: str = "null") -> Reply:
    return Reply(
        body=text, headers={"Sforce-Locator": locator, "Sforce-NumberOfRecords": f"{rows}"}
    )


LARGE = first_page(LEAST_ROWS + 1)


@pytest.mark.parametrize("header", [HEADER, ""], ids=["header in each part", "header once"])
def test_a_large_read_is_a_job_whose_result_comes_in_parts(
    server: ScriptedServer, open_session: Open, header: str
) -> None:
    """Two requests for the result where pages would take 26, and each value as JSON has it."""
    server.say(
        LARGE,
        MADE,
        RUNNING,
        DONE,
        result(f'{HEADER}"1","2.50","Café ""A"", B","7","true"\n"2","","","",""\n', 2, "Mz"),
        result(f'{header}"3","","","","false"\n', 1),
    )

    rows = [row for page in read_pages(open_session(), [STATEMENT], "Reading") for row in page.rows]

    assert [row.text("Id") for row in rows] == ["1", "2", "3"]
    assert (rows[0].decimal("Quantity"), rows[1].decimal("Quantity")) == (Decimal("2.50"), None)
    assert (rows[0].text("Product2.Name"), rows[1].text("Product2.Name")) == ('Café "A", B', None)
    assert (rows[0].scalar("Seats__c"), rows[2].scalar("Seats__c")) == (7, None)
    assert [row.scalar("IsDeleted") for row in rows] == [True, None, False]
    assert [request.path for request in server.requests[1:]] == [
        f"{DATA}jobs/query",
        JOB,
        JOB,
        f"{JOB}/results?maxRecords=50000",
        f"{JOB}/results?maxRecords=50000&locator=Mz",
    ]
    made = json.loads(server.requests[1].body)
    assert made == {"operation": "queryAll", "query": STATEMENT.soql}


@pytest.mark.parametrize(
    ("total", "statement"),
    [
        (LEAST_ROWS, STATEMENT),
        (LEAST_ROWS + 1, Statement("items", "SELECT Id FROM OrderItem")),
    ],
    ids=["few rows", "values that take JSON"],
)
def test_pages_are_read_where_a_job_costs_more_or_tells_less(
    server: ScriptedServer, open_session: Open, total: int, statement: Statement
) -> None:
    """A job is worth its requests only for many rows, and CSV tells no types."""
    server.say(first_page(total))

    (page,) = read_pages(open_session(), [statement], "Reading")

    assert page.rows[0].text("Id") == "of a page"
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "replies",
    [
        (Reply(403, [{"errorCode": "FEATURENOTENABLED", "message": "."}]),),
        (MADE, RUNNING, Reply(body={"state": "Failed", "errorMessage": "."})),
        (MADE, RUNNING),
    ],
    ids=["refused", "failed", "never done"],
)
def test_without_a_job_the_pages_are_read(
    server: ScriptedServer, open_session: Open, replies: tuple[Reply, ...]
) -> None:
    """The first page is there already; a job that never ends is left within a known time."""
    server.say(LARGE, *replies)

    (page,) = read_pages(open_session(), [STATEMENT], "Reading")

    assert page.rows[0].text("Id") == "of a page"
    assert len(server.requests) <= LEAST_ROWS // 2000 + 2


def test_no_job_is_waited_for_beyond_the_patience(
    server: ScriptedServer, open_session: Open, waits: Waits
) -> None:
    """Waits double up to half a minute."""
    server.say(LARGE, MADE, RUNNING)

    list(read_pages(open_session(), [STATEMENT], "Reading"))

    assert waits.waited[:6] == [1, 2, 4, 8, 16, 30]
    assert PATIENCE - 30 < sum(waits.waited) <= PATIENCE


@pytest.mark.parametrize(
    "part", [result('"Id"\n"1"\n', 2), result('"Id","Quantity"\n"1","2"\n"2"\n', 2)]
)
def test_a_result_without_all_its_rows_is_not_taken_for_whole(
    server: ScriptedServer, open_session: Open, part: Reply
) -> None:
    """Rows that are silently missing would be discounts that are."""
    server.say(LARGE, MADE, DONE, part)

    with pytest.raises(SalesforceUnavailable):
        list(read_pages(open_session(), [STATEMENT], "Reading"))
