select quote_coupon_id, terms_hash, coupon_id, origin, reason, terms, metadata, mapping_hash,
       first_order_id, recorded_at, run_id
from stripe_coupons
where quote_coupon_id in (
    select quote_coupon_id from coupon_snapshots
    where order_id in (select order_id from selected_orders)
);
