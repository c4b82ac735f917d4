create or replace temporary table selected_orders as
select order_id from activated_orders where order_id in (select order_id from staged);
