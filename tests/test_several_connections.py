"""Two orgs and two accounts in one code location, as a file names them."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from coupon_pipeline.automation.jobs import SYNC_JOB
from coupon_pipeline.definitions import definitions
from coupon_pipeline.ledger import Ledger
from coupon_pipeline.sandbox.clock import Clock
from coupon_pipeline.sandbox.serving import Sandbox
from tests.conftest import NOW
from tests.world import World

DAYS = {
    "dagster/asset_partition_range_start": "2026-11-02",
    "dagster/asset_partition_range_end": "2026-11-03",
}
SCHEMA, LINEAGE = "dagster/column_schema", "dagster/column_lineage"
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@pytest.fixture
def companies(
    tmp_path: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dict[str, World]]:
    """Two companies, each with an org and an account of its own, and the file that names them."""
    with (
        Sandbox(company=False, clock=Clock(NOW, frozen=True), seed=1) as first,
        Sandbox(company=False, clock=Clock(NOW, frozen=True), seed=2) as second,
    ):
        worlds = {
            name: World(sandbox, tmp_path, instance, monkeypatch)
            for name, sandbox in (("acme", first), ("globex", second))
        }
        tables = []
        for name, world in worlds.items():
            for variable, value in world.sandbox.addresses.environment().items():
                monkeypatch.delenv(variable, raising=False)
                monkeypatch.setenv(f"{name}_{variable}".upper(), value)
            tables.append(_table(name, world))
        monkeypatch.delenv("COUPON_PIPELINE_DB")
        (tmp_path / "connections.toml").write_text("\n".join(tables))
        monkeypatch.setenv("COUPON_PIPELINE_CONNECTIONS", "connections.toml")
        yield worlds


def _table(name: str, world: World) -> str:
    at = world.sandbox.addresses
    return f"""
[{name}]
salesforce_instance_url = "{at.salesforce_url}"
salesforce_access_token = "env:{name.upper()}_SALESFORCE_ACCESS_TOKEN"
salesforce_namespace = "{at.salesforce_namespace}"
stripe_api_base = "{at.stripe_url}"
stripe_api_key = "env:{name.upper()}_STRIPE_API_KEY"
"""


def test_both_are_in_one_graph_under_their_names_and_nothing_mixes(
    companies: dict[str, World], instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    """One run over everything, as somebody may start it from the graph's page."""
    orders = {
        name: world.order(coupons=[world.quote_coupon(Percent_Off__c=percent)])
        for (name, world), percent in zip(companies.items(), (10, 25), strict=True)
    }
    defs = definitions()
    job = defs.resolve_implicit_global_asset_job_def()

    result = job.execute_in_process(instance=instance, tags=DAYS, run_config=QUIET)

    assert result.success
    assert all(check.passed for check in result.get_asset_check_evaluations())
    assert {key.path[0] for key in defs.resolve_all_asset_keys()} == {"acme", "globex"}
    for (name, world), percent in zip(companies.items(), (10.0, 25.0), strict=True):
        assert world.discounted(orders[name].subscription_id) == [(percent, None)]
        assert len(world.coupons()) == 1
        with Ledger(tmp_path / f"{name}.duckdb").reading() as tx:
            assert tx.rows("order_with_most_attachments")[0][0] == orders[name].order_id


def test_columns_come_from_columns_of_tables_of_the_same_connection(
    companies: dict[str, World], instance: dg.DagsterInstance
) -> None:
    """Whoever asks where a discount comes from follows them from page to page."""
    companies["globex"].order(coupons=[companies["globex"].quote_coupon()])
    defs = definitions()
    graph = defs.resolve_asset_graph()
    columns = {
        key: {column.name for column in schema.columns}
        for key in graph.get_all_asset_keys()
        if isinstance(schema := graph.get(key).metadata.get(SCHEMA), dg.TableSchema)
    }

    result = defs.resolve_job_def(f"globex_{SYNC_JOB}").execute_in_process(
        instance=instance, tags=DAYS, run_config=QUIET
    )

    made = [event.materialization for event in result.get_asset_materialization_events()]
    lineages = {
        each.asset_key: lineage.column_lineage.deps_by_column
        for each in made
        if isinstance(lineage := each.metadata.get(LINEAGE), dg.TableColumnLineageMetadataValue)
    }
    assert {key.path[1] for key in lineages} == {
        "coupon_snapshots",
        "stripe_coupons",
        "coupon_attachments",
        "salesforce_records",
    }
    for key, sources in lineages.items():
        assert sources.keys() <= columns[key]
        for source in (each for of_column in sources.values() for each in of_column):
            assert source.asset_key.path[0] == "globex"
            assert source.column_name in columns[source.asset_key]


def test_each_has_its_own_jobs_schedules_sensors_checks_and_pools(
    companies: dict[str, World], instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    """What is started or stopped for one company is not for the other."""
    companies["globex"].order(coupons=[companies["globex"].quote_coupon()])
    repository = definitions().get_repository_def()

    result = (
        definitions()
        .resolve_job_def(f"acme_{SYNC_JOB}")
        .execute_in_process(instance=instance, tags=DAYS, run_config=QUIET)
    )

    assert result.success
    assert companies["globex"].coupons() == []
    assert not (tmp_path / "globex.duckdb").exists()
    assert {schedule.name for schedule in repository.schedule_defs} == {
        f"{name}_{schedule}"
        for name in companies
        for schedule in ("hourly", "daily", "nightly_agreement")
    }
    assert {sensor.name for sensor in repository.sensor_defs} == {
        f"{name}_{sensor}"
        for name in companies
        for sensor in ("salesforce_changes", "mapping_conditions", "mapping_backfill")
    }
    graph = repository.asset_graph
    checked = {key.asset_key.path[0] for key in graph.asset_check_keys}
    pools = {pool for key in graph.get_all_asset_keys() for pool in graph.get(key).pools or ()}
    assert checked == set(companies)
    assert pools == {f"{name}_{pool}" for name in companies for pool in ("salesforce", "stripe")}


def test_a_sensor_asks_its_own_org_and_starts_its_own_job(companies: dict[str, World]) -> None:
    """Its runs are told from the other's by their trigger, so each retries only its own."""
    companies["acme"].order(coupons=[companies["acme"].quote_coupon()])
    repository = definitions().get_repository_def()

    with dg.DagsterInstance.ephemeral() as instance:
        asked = {
            name: repository.get_sensor_def(f"{name}_salesforce_changes").evaluate_tick(
                dg.build_sensor_context(instance, sensor_name=f"{name}_salesforce_changes")
            )
            for name in companies
        }

    triggers = {r.tags["coupon_pipeline/trigger"] for r in asked["acme"].run_requests or ()}
    assert triggers == {"acme_salesforce_changes"}
    assert not asked["globex"].run_requests
    assert repository.get_sensor_def("acme_salesforce_changes").job_name == f"acme_{SYNC_JOB}"
