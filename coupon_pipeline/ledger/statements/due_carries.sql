select distinct target_id from carry_later
where target_id in (
    select stripe_id from activated_orders
    where order_id in (select order_id from selected_orders)
)
and due_from <= (select max(due_from) from staged);
