select snapshot_id, outcome, code, details, reason, coupon_id, target_id, place, discount_id,
       phases, attached_at at time zone 'UTC' as attached_at,
       decided_at at time zone 'UTC' as decided_at, run_id, schedule_id
from coupon_attachments
where snapshot_id in (
    select snapshot_id from coupon_snapshots
    where order_id in (select order_id from selected_orders)
);
