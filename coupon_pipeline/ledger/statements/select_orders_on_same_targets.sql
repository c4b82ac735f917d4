-- Orders that share a subscription or schedule are decided together.
create or replace temporary table selected_orders as
select order_id from order_targets
where order_id in (select order_id from selected_orders)
   or target_id in (
    select target_id from order_targets
    where order_id in (select order_id from selected_orders)
);
