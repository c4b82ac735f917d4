-- Items of the orders just read that are gone.
delete from order_items
where order_id in (select order_id from selected_orders)
  and order_item_id not in (select order_item_id from staged);
