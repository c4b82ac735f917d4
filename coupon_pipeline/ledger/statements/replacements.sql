select snapshot_id, replaced_at, old_coupon_id, old_discount_id, new_coupon_id, terms, target_id,
       run_id
from coupon_replacements
where snapshot_id in (
    select snapshot_id from coupon_snapshots
    where order_id in (select order_id from selected_orders)
)
order by replaced_at, snapshot_id;
