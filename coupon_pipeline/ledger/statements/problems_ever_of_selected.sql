select code, effect, message, fix, order_id, order_item_id, quote_coupon_id, stage,
       first_seen_at at time zone 'UTC' as first_seen_at,
       last_seen_at at time zone 'UTC' as last_seen_at,
       resolved_at at time zone 'UTC' as resolved_at
from problems
where order_id in (select order_id from selected_orders)
order by first_seen_at, code, order_item_id nulls first, quote_coupon_id;
