select snapshot_id, org_id, order_id, quote_coupon_id, coalesce(order_item_id, '')
from coupon_snapshots
order by snapshot_id;
