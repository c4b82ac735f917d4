-- Orders that share a subscription or schedule are decided together.
create or replace temporary table selected_orders as
select order_id from activated_orders
where order_id in (select order_id from selected_orders)
   or stripe_id in (
    select stripe_id from activated_orders
    where order_id in (select order_id from selected_orders)
);
