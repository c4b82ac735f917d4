"""The mapping in force, as an asset of its own, so that a change of it shows in the graph."""

import dagster as dg

from coupon_pipeline.domain.mapping import CouponMapping


@dg.asset(
    # without it a range of days over all assets is refused: one policy must hold for all of them
    backfill_policy=dg.BackfillPolicy.single_run(),
    group_name="mapping",
    kinds={"toml"},
    owners=["team:revenue-operations"],
)
def coupon_mapping(mapping: dg.ResourceParam[CouponMapping]) -> dg.MaterializeResult[None]:
    """Which Salesforce field feeds which Stripe field. Its data version is the mapping's hash.

    A change makes what was derived from the older mapping stale; a backfill applies it.
    """
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
