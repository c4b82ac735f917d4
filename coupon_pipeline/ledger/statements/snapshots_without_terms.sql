-- Snapshots of the selected orders of which nobody said what they mean, or why they mean nothing.
select s.order_id, s.snapshot_id
from coupon_snapshots s
left join snapshot_terms t on t.snapshot_id = s.snapshot_id
where s.order_id in (select order_id from selected_orders)
  and (t.snapshot_id is null or (t.terms is null) = (t.code is null))
order by s.order_id, s.snapshot_id;
