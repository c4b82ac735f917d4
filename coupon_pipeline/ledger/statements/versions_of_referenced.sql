select quote_coupon_id, effective_at, created_at, currency, stripe_id, is_deleted, fields
from coupon_versions
where quote_coupon_id in (select quote_coupon_id from referenced_coupons)
order by quote_coupon_id, effective_at;
