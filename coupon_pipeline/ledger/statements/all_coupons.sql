select quote_coupon_id, terms_hash, coupon_id, origin, reason, terms, metadata, mapping_hash,
       first_order_id, recorded_at, run_id
from stripe_coupons
order by coupon_id;
