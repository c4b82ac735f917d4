select snapshot_id, frozen_at at time zone 'UTC' as frozen_at, run_id
from coupon_snapshots
where order_id in (select order_id from selected_orders);
