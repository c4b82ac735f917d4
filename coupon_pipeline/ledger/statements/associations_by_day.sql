-- An association of a quote with several orders counts on the day of the first one.
select activation_day, count(*)
from (
    select association_id, min(activation_day) as activation_day
    from (
        select j.association_id, o.activation_day
        from activated_orders o
        join coupon_junctions j on j.level = 'order' and j.parent_id = o.quote_id
        where o.order_id in (select order_id from selected_orders)
        union all
        select j.association_id, o.activation_day
        from activated_orders o
        join order_items i on i.order_id = o.order_id
        join coupon_junctions j on j.level = 'order_item' and j.parent_id = i.quote_line_id
        where o.order_id in (select order_id from selected_orders)
    ) as found
    group by association_id
) as counted
group by activation_day
order by activation_day;
