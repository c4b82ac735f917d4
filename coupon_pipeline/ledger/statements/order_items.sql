select order_item_id, order_id, quote_line_id, stripe_id, price_id, quantity,
       created_at at time zone 'UTC' as created_at, name
from order_items
where order_id in (select order_id from selected_orders)
order by created_at, order_item_id;
