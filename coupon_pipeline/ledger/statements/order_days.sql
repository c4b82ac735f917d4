select order_id, activation_day
from activated_orders
where order_id in (select order_id from selected_orders)
order by activated_at, order_id;
