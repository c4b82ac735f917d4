select distinct c.target_id
from carry_later c
join coupon_snapshots s on s.snapshot_id = c.snapshot_id
where s.order_id in (select order_id from selected_orders)
  and c.due_from <= (select max(due_from) from staged);
