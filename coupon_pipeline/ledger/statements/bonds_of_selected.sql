-- What selected orders share so that they have to be decided together: a subscription or schedule,
-- and a Stripe coupon with fewer redemptions left than discounts that are wanted from it.
select order_id, target_id
from order_targets
where order_id in (select order_id from selected_orders)
  and target_id in (
    select target_id from order_targets
    where order_id in (select order_id from selected_orders)
    group by target_id
    having count(*) > 1
)
union all
-- an amendment may name by another id what the initial order of its contract names
select order_id, initial_stripe_id
from order_targets
where order_id in (select order_id from selected_orders)
  and target_id <> initial_stripe_id
union all
select initial_order_id, initial_stripe_id
from order_targets
where order_id in (select order_id from selected_orders)
  and initial_order_id in (select order_id from selected_orders)
  and target_id <> initial_stripe_id
union all
select s.order_id, d.coupon_id
from coupon_decisions d
join coupon_snapshots s on s.snapshot_id = d.snapshot_id
where s.order_id in (select order_id from selected_orders)
  and d.coupon_id in (
    select wanted.coupon_id
    from coupon_decisions wanted
    join coupon_snapshots of_order on of_order.snapshot_id = wanted.snapshot_id
    left join coupon_attachments a on a.snapshot_id = wanted.snapshot_id
    where of_order.order_id in (select order_id from selected_orders)
      and wanted.redemptions_left is not null
      and a.attached_at is null
    group by wanted.coupon_id
    having count(*) > min(wanted.redemptions_left)
)
order by 1, 2;
