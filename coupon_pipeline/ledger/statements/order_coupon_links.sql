select order_coupon_id, order_id, order_item_id, quote_coupon_id, stripe_id
from (
    select * from order_coupons
    where order_id in (select order_id from selected_orders)
    union all
    select * from order_coupons
    where order_item_id in (
        select order_item_id from order_items
        where order_id in (select order_id from selected_orders)
    )
    and (order_id is null or order_id not in (select order_id from selected_orders))
) as found
order by created_at, order_coupon_id;
