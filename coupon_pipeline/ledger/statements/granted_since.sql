-- Attachments that a run granted; without a run, the latest ones.
select a.target_id, a.snapshot_id, s.order_id
from coupon_attachments a
join coupon_snapshots s on s.snapshot_id = a.snapshot_id
where a.attached_at is not null
  and (not exists (select 1 from staged) or a.run_id in (select run_id from staged))
order by a.attached_at desc, a.snapshot_id;
