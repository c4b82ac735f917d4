select code, effect, message, fix, order_id, order_item_id, quote_coupon_id, stage,
       first_seen_at at time zone 'UTC' as first_seen_at,
       last_seen_at at time zone 'UTC' as last_seen_at
from problems
where resolved_at is null and order_id in (select order_id from selected_orders)
order by activation_day, order_id, order_item_id nulls first, quote_coupon_id, code;
