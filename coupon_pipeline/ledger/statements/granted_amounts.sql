-- Terms of what was granted on the selected orders, by activation day.
select s.activation_day, t.terms, count(*)
from coupon_attachments a
join coupon_snapshots s on s.snapshot_id = a.snapshot_id
join snapshot_terms t on t.snapshot_id = s.snapshot_id
where a.attached_at is not null
  and s.order_id in (select order_id from selected_orders)
  and t.terms is not null
group by s.activation_day, t.terms;
