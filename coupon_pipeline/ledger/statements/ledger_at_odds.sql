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
union
select i.target_id, i.operation, 'was sent and never answered: run its order again'
from write_intents i
where i.intent_id not in (select intent_id from write_outcomes)
  and i.written_at < (select max(written_at) from staged)
order by 1, 2;
