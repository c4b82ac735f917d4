select order_id, target_id
from order_targets
where target_id is not null and order_id in (select order_id from selected_orders);
