update quote_coupons
set stripe_id = staged.stripe_id
from staged
where quote_coupons.quote_coupon_id = staged.quote_coupon_id;
