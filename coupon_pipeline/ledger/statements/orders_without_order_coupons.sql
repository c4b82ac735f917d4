-- Orders on which, or on an item of which, an association names a coupon of which there is no order
-- coupon. Whether the association came in time is not looked at.
with named as (
    select o.order_id, o.order_id as scope_id, j.quote_coupon_id
    from activated_orders o
    join coupon_junctions j on j.parent_id = o.quote_id and j.level = 'order'
    where o.order_id in (select order_id from selected_orders)
    union all
    select i.order_id, i.order_item_id, j.quote_coupon_id
    from order_items i
    join coupon_junctions j on j.parent_id = i.quote_line_id and j.level = 'order_item'
    where i.order_id in (select order_id from selected_orders)
)
select distinct named.order_id
from named
left join order_coupons c on c.quote_coupon_id = named.quote_coupon_id
    and coalesce(c.order_item_id, c.order_id) = named.scope_id
where c.order_coupon_id is null
order by 1;
