select 'order', order_id, order_number
from activated_orders
where order_id in (select order_id from named)
union all
select 'order_item', order_item_id, name
from order_items
where name is not null and order_item_id in (select order_item_id from named)
union all
select 'quote_coupon', quote_coupon_id, fields
from quote_coupons
where quote_coupon_id in (select quote_coupon_id from named);
