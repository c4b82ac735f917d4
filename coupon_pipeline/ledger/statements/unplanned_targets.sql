-- Targets with grants to which a selected order has come since they were last planned. The order
-- may call its target by another id than the order that the grant is for, as the schedule and the
-- subscription in it; what the initial order of its contract names may lead there by a schedule that
-- has let go of the subscription.
with come as (
    select o.target_id, o.initial_stripe_id
    from order_targets o
    left join planned_orders p on p.order_id = o.order_id and p.target_id = o.target_id
    where o.order_id in (select order_id from selected_orders)
      and o.target_id is not null
      and p.order_id is null
), granted_on as (
    select other.target_id
    from coupon_attachments a
    join coupon_snapshots s on s.snapshot_id = a.snapshot_id
    join order_targets other on other.order_id = s.order_id
    where a.attached_at is not null
    union
    select a.target_id from coupon_attachments a where a.attached_at is not null
    union
    select a.place from coupon_attachments a where a.attached_at is not null
)
select target_id from come
where target_id in (select target_id from granted_on)
   or initial_stripe_id in (select target_id from granted_on)
union
select initial_stripe_id from come
where initial_stripe_id in (select target_id from granted_on);
