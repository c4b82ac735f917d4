select order_id from selected_orders
where order_id not in (select order_id from planned_orders);
