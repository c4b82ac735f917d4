-- Associations of the selected orders that became neither a snapshot nor a problem.
select distinct o.order_id, j.association_id
from activated_orders o
left join order_items i on i.order_id = o.order_id
join coupon_junctions j
  on (j.level = 'order' and j.parent_id = o.quote_id)
  or (j.level = 'order_item' and j.parent_id = i.quote_line_id)
where o.order_id in (select order_id from selected_orders)
  and not j.is_deleted
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
