select compound_id, order_id, status, message
from sync_records
where order_id in (select order_id from selected_orders)
order by compound_id;
