select snapshot_id, decision, coupon_id, code, reason, differences, redemptions_left,
       decided_at at time zone 'UTC' as decided_at, run_id
from coupon_decisions
where snapshot_id in (
    select snapshot_id from coupon_snapshots
    where order_id in (select order_id from selected_orders)
);
