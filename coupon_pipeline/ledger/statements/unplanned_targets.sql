-- Targets with grants to which a selected order has come, or come anew, since they were last planned:
-- of a schedule that is made later of the same subscription the order's change may be all that shows.
-- The order may call its target by another id than the order that the grant is for, as the schedule
-- and the subscription in it; what the initial order of its contract names may lead there by a
-- schedule that has let go of the subscription.
with come as (
    select target_id, initial_stripe_id
    from unplanned_orders
    where order_id in (select order_id from selected_orders)
)
select target_id from come
where target_id in (select target_id from targets_with_grants)
   or initial_stripe_id in (select target_id from targets_with_grants)
union
select initial_stripe_id from come
where initial_stripe_id in (select target_id from targets_with_grants);
