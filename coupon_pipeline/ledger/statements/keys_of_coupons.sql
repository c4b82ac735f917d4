select coalesce(i.org_id, ''), c.quote_coupon_id, c.terms_hash, c.coupon_id, c.origin, c.terms
from stripe_coupons c
cross join ledger_identity i
order by c.coupon_id;
