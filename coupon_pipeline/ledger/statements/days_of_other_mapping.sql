-- Days that hold terms which another mapping than the staged one derived.
select distinct o.activation_day
from snapshot_terms t
join coupon_snapshots s on s.snapshot_id = t.snapshot_id
join activated_orders o on o.order_id = s.order_id
where t.mapping_hash <> (select max(mapping_hash) from staged)
order by o.activation_day;
