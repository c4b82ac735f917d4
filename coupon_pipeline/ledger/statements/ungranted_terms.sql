-- Terms of what was not granted yet on the selected orders, with how often.
select t.terms, count(*)
from coupon_snapshots s
join snapshot_terms t on t.snapshot_id = s.snapshot_id
left join coupon_attachments a on a.snapshot_id = s.snapshot_id
where s.order_id in (select order_id from selected_orders)
  and a.attached_at is null
  and t.terms is not null
group by t.terms;
