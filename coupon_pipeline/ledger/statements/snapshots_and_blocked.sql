select count(*),
       count(*) filter (
           where a.attached_at is null
             and (t.terms is null or coalesce(d.decision, '') = 'blocked')
       )
from coupon_snapshots s
left join snapshot_terms t on t.snapshot_id = s.snapshot_id
left join coupon_decisions d on d.snapshot_id = s.snapshot_id
left join coupon_attachments a on a.snapshot_id = s.snapshot_id
where s.order_id in (select order_id from selected_orders);
