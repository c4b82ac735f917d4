"""Several reads in one request, and their pages."""

import json

import pytest

from coupon_pipeline.salesforce import SalesforceRefused, SalesforceUnavailable
from coupon_pipeline.salesforce.querying import Get, read_pages, read_together
from coupon_pipeline.salesforce.statements import Statement
from tests.salesforce.scripted import DATA, Open, Reply, Request, ScriptedServer, Waits

BUSY = [{"errorCode": "UNKNOWN_EXCEPTION", "message": "."}]
HIDDEN = [{"errorCode": "INVALID_FIELD", "message": "No such column."}]


def answers(**parts: tuple[int, object]) -> Reply:
    return Reply(
        body={
            "compositeResponse": [
                {"referenceId": name, "httpStatusCode": status, "body": body}
                for name, (status, body) in parts.items()
            ]
        }
    )


def asked(request: Request) -> list[str]:
    return [part["referenceId"] for part in json.loads(request.body)["compositeRequest"]]


def test_only_the_part_that_failed_is_asked_again(
    server: ScriptedServer, open_session: Open, waits: Waits
) -> None:
    """The others have their answers; asking again would count against the org's quota."""
    server.say(
        answers(a=(200, {"n": 1}), b=(500, BUSY), c=(400, HIDDEN)), answers(b=(200, {"n": 2}))
    )

    read = read_together(open_session(), [Get(n, n) for n in "abc"], "Reading")

    assert [asked(request) for request in server.requests] == [["a", "b", "c"], ["b"]]
    assert (read["a"], read["b"]) == ({"n": 1}, {"n": 2})
    assert isinstance(read["c"], SalesforceRefused)
    assert len(waits.waited) == 1


def test_a_part_that_fails_for_ever_is_given_up(
    server: ScriptedServer, open_session: Open, waits: Waits
) -> None:
    """Retries are bounded for parts as they are for requests."""
    server.say(answers(a=(503, BUSY)))

    read = read_together(open_session(pacing=waits.pacing(attempts=3)), [Get("a", "a")], "Reading")

    assert isinstance(read["a"], SalesforceUnavailable)
    assert len(server.requests) == 3


def test_a_part_without_an_answer_is_not_taken_for_empty(
    server: ScriptedServer, open_session: Open, waits: Waits
) -> None:
    """No associations would mean no discounts."""
    server.say(answers(b=(200, {})))

    with pytest.raises(SalesforceUnavailable):
        list(
            read_pages(
                open_session(pacing=waits.pacing(attempts=1)),
                [Statement("a", "SELECT Id FROM Order")],
                "Reading",
            )
        )


@pytest.mark.parametrize(
    "first",
    [
        {"ok": True},
        {"records": [], "done": False},
        {"records": [], "done": False, "nextRecordsUrl": "https://elsewhere.example/query/01g"},
        {"records": [], "done": False, "nextRecordsUrl": "/services/data/v50.0/query/01g"},
    ],
)
def test_an_answer_that_is_no_page_is_refused(
    server: ScriptedServer, open_session: Open, first: object
) -> None:
    """Rows that are silently missing would be discounts that are."""
    server.say(answers(a=(200, first)))

    with pytest.raises(SalesforceRefused):
        list(read_pages(open_session(), [Statement("a", "SELECT Id FROM Order")], "Reading"))


def test_pages_are_followed_to_the_end(server: ScriptedServer, open_session: Open) -> None:
    """Each further page has an address of its own."""
    following = {"records": [{"Id": "1"}], "done": False, "nextRecordsUrl": f"{DATA}query/01g-1"}
    server.say(
        answers(a=(200, following), b=(200, {"records": [{"Id": "3"}], "done": True})),
        Reply(body={"records": [{"Id": "2"}], "done": True}),
    )
    statements = [
        Statement("a", "SELECT Id FROM A"),
        Statement("b", "SELECT Id FROM B", include_deleted=True),
    ]

    pages = list(read_pages(open_session(), statements, "Reading"))

    assert [(page.name, [row.text("Id") for row in page.rows]) for page in pages] == [
        ("a", ["1"]),
        ("a", ["2"]),
        ("b", ["3"]),
    ]
    assert [request.path for request in server.requests] == [
        f"{DATA}composite",
        f"{DATA}query/01g-1",
    ]
    urls = [part["url"] for part in json.loads(server.requests[0].body)["compositeRequest"]]
    assert urls == [
        f"{DATA}query?q=SELECT%20Id%20FROM%20A",
        f"{DATA}queryAll?q=SELECT%20Id%20FROM%20B",
    ]


def test_five_queries_go_into_a_request(server: ScriptedServer, open_session: Open) -> None:
    """Salesforce takes no more of them."""

    def answer(request: Request) -> Reply:
        return answers(**{name: (200, {"records": [], "done": True}) for name in asked(request)})

    server.answer = answer
    statements = [Statement(f"s{number}", "SELECT Id FROM A") for number in range(7)]

    assert len(list(read_pages(open_session(), statements, "Reading"))) == 7
    assert [len(asked(request)) for request in server.requests] == [5, 2]
