-- Targets with grants to which a selected order has come since they were last planned.
select distinct o.target_id
from order_targets o
left join planned_orders p on p.order_id = o.order_id and p.target_id = o.target_id
where o.order_id in (select order_id from selected_orders)
  and o.target_id is not null
  and p.order_id is null
  and exists (
    select 1
    from coupon_attachments a
    join coupon_snapshots s on s.snapshot_id = a.snapshot_id
    join order_targets other on other.order_id = s.order_id
    where a.attached_at is not null and other.target_id = o.target_id
  );
