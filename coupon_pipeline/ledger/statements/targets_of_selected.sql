select order_id, stripe_id
from activated_orders
where stripe_id is not null and order_id in (select order_id from selected_orders);
