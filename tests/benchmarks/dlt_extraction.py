"""The same orders and items with dlt, in an environment that has it and nothing of ours."""

import os
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from tests.benchmarks.measuring import Numbers, measured, per_second, take_settings

STATEMENTS = {
    "orders": "SELECT Id, OrderNumber, ActivatedDate, SystemModstamp, AccountId, ContractId, Type, "
    "EffectiveDate, SBQQ__Quote__c, {0}Stripe_ID__c, CurrencyIsoCode FROM Order "
    "WHERE StatusCode = 'Activated'",
    "items": "SELECT Id, OrderId, Quantity, CreatedDate, SBQQ__QuoteLine__c, {0}Stripe_ID__c, "
    "PricebookEntry.{0}Stripe_ID__c FROM OrderItem WHERE Order.StatusCode = 'Activated'",
}
_VERSION = "v64.0"


def extract(environment: str, folder: str) -> Numbers:
    """A pipeline of two resources, each read with dlt's own REST client, into a DuckDB file."""
    take_settings(environment)
    os.environ["DLT_DATA_DIR"] = folder
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    dlt, rest = import_module("dlt"), import_module("dlt.sources.helpers.rest_client")
    auth = import_module("dlt.sources.helpers.rest_client.auth")
    paginators = import_module("dlt.sources.helpers.rest_client.paginators")
    client = rest.RESTClient(
        base_url=os.environ["SALESFORCE_INSTANCE_URL"],
        auth=auth.BearerTokenAuth(os.environ["SALESFORCE_ACCESS_TOKEN"]),
        paginator=paginators.JSONLinkPaginator("nextRecordsUrl"),
        data_selector="records",
    )
    namespace = os.environ["SALESFORCE_NAMESPACE"]
    prefix = f"{namespace}__" if namespace else ""

    def pages(statement: str) -> Iterator[object]:
        soql = statement.format(prefix)
        yield from client.paginate(f"services/data/{_VERSION}/query", params={"q": soql})

    numbers: Numbers = {}
    database = Path(folder) / "dlt.duckdb"
    with measured(numbers, "all"):
        pipeline = dlt.pipeline(
            "extraction",
            pipelines_dir=folder,
            destination=dlt.destinations.duckdb(str(database)),
            dataset_name="salesforce",
        )
        pipeline.run(
            [
                dlt.resource(pages(statement), name=name, write_disposition="replace")
                for name, statement in STATEMENTS.items()
            ]
        )
    counts = pipeline.last_trace.last_normalize_info.row_counts
    return per_second(numbers, sum(counts[name] for name in STATEMENTS))
