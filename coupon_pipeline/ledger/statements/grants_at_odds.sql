select s.order_id, a.snapshot_id, 'was granted with a coupon that the ledger does not have'
from coupon_attachments a
join coupon_snapshots s on s.snapshot_id = a.snapshot_id
where a.attached_at is not null
  and not exists (select 1 from stripe_coupons c where c.coupon_id = a.coupon_id)
union
select s.order_id, a.snapshot_id, 'was granted nowhere'
from coupon_attachments a
join coupon_snapshots s on s.snapshot_id = a.snapshot_id
where a.attached_at is not null and a.target_id is null
order by 1, 2;
