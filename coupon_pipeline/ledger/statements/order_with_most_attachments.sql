select s.order_id
from coupon_snapshots s
join coupon_attachments a on a.snapshot_id = s.snapshot_id
where a.attached_at is not null
group by s.order_id
order by count(*) desc, s.order_id
limit 1;
