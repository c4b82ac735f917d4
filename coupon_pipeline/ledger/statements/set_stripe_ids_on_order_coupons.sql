update order_coupons
set stripe_id = staged.stripe_id
from staged
where order_coupons.order_coupon_id = staged.order_coupon_id;
