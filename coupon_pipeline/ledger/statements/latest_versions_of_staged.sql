select quote_coupon_id, effective_at, created_at, currency, stripe_id, is_deleted, fields
from coupon_versions
where quote_coupon_id in (select quote_coupon_id from staged)
qualify row_number() over (partition by quote_coupon_id order by effective_at desc) = 1;
