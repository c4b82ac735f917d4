-- Days of orders that use one of the staged quote coupons and do not have its discount yet.
select distinct o.activation_day
from activated_orders o
join coupon_snapshots s on s.order_id = o.order_id
left join coupon_attachments a on a.snapshot_id = s.snapshot_id
where s.quote_coupon_id in (select quote_coupon_id from staged)
  and a.attached_at is null
order by o.activation_day;
