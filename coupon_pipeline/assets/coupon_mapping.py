"""The mapping in force, as an asset of its own, so that a change of it shows in the graph."""

import dagster as dg

from coupon_pipeline.assets.connection import Connections
from coupon_pipeline.assets.failures import told_as_failure
from coupon_pipeline.assets.names import Names
from coupon_pipeline.assets.resources import MappingRead
from coupon_pipeline.assets.stage_asset import OWNERS, Condition
from coupon_pipeline.domain.mapping import CouponMapping

NAME = "coupon_mapping"
_DESCRIPTION = (
    "Which Salesforce field feeds which Stripe field. Its data version is the mapping's hash.\n\n"
    "A change makes what was derived from the older mapping stale; a backfill applies it."
)


def coupon_mapping(
    names: Names, mapping: MappingRead, condition: Condition | None
) -> dg.AssetsDefinition:
    """The asset of one connection, with the mapping as it is when the graph is loaded."""

    @dg.asset(
        key=names.key(NAME),
        description=mapping.describe(_DESCRIPTION),
        code_version=mapping.version,
        automation_condition=condition,
        # without it a range of days over all assets is refused: one policy must hold for all
        backfill_policy=dg.BackfillPolicy.single_run(),
        group_name=names.group,
        kinds={"toml"},
        owners=OWNERS,
    )
    def asset(connections: dg.ResourceParam[Connections]) -> dg.MaterializeResult[None]:
        with told_as_failure():
            return _as_table(connections.of(names.key(NAME)).mapping)

    return asset


def _as_table(mapping: CouponMapping) -> dg.MaterializeResult[None]:
    rows = [(f"coupon.{target}", path) for target, path in mapping.fields.items()]
    rows += [(f"coupon.metadata.{key}", path) for key, path in mapping.metadata.items()]
    rows += [(f"default of {target}", str(value)) for target, value in mapping.defaults.items()]
    return dg.MaterializeResult(
        data_version=dg.DataVersion(mapping.mapping_hash),
        metadata={
            "mapping_hash": mapping.mapping_hash,
            "mapping": dg.MetadataValue.md(
                "\n".join(
                    ["| Stripe | Salesforce |", "|---|---|"]
                    + [f"| `{target}` | `{path}` |" for target, path in rows]
                )
            ),
        },
    )
