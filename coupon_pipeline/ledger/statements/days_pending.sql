select distinct o.activation_day
from activated_orders o
join coupon_snapshots s on s.order_id = o.order_id
join coupon_attachments a on a.snapshot_id = s.snapshot_id
where a.outcome = 'pending'
order by o.activation_day;
