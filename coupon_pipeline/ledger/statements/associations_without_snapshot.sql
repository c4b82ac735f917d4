-- Associations of the selected orders that became neither a snapshot nor a problem.
with places as (
  -- each by what it is equal to: one join over both levels would compare all with all
  select order_id, 'order' as level, quote_id as parent_id
  from activated_orders
  where order_id in (select order_id from selected_orders)
  union all
  select order_id, 'order_item', quote_line_id
  from order_items
  where order_id in (select order_id from selected_orders)
    and order_id in (select order_id from activated_orders)
)
select distinct o.order_id, j.association_id
from places o
join coupon_junctions j on j.level = o.level and j.parent_id = o.parent_id
where not j.is_deleted
  and not exists (
    select 1 from coupon_snapshots s
    where s.order_id = o.order_id and s.quote_coupon_id = j.quote_coupon_id
      and (s.order_item_id is null) = (j.level = 'order')
  )
  and not exists (
    select 1 from problems p
    where p.order_id = o.order_id and p.resolved_at is null
      and (p.quote_coupon_id is null or p.quote_coupon_id = ''
           or p.quote_coupon_id = j.quote_coupon_id)
  )
order by o.order_id, j.association_id;
