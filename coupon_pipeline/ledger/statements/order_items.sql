select order_item_id, order_id, quote_line_id, stripe_id, price_id, quantity,
       created_at at time zone 'UTC' as created_at, name,
       count(*) filter (where quantity is null or cast(quantity as decimal(38, 10)) > 0)
           over (partition by order_id, price_id) > 1 as price_is_shared
from order_items
where order_id in (select order_id from selected_orders)
order by created_at, order_item_id;
