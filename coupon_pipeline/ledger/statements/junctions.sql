with parents as (
    select quote_id as parent_id, 'order' as level from activated_orders
    where order_id in (select order_id from selected_orders)
    union all
    select quote_line_id, 'order_item' from order_items
    where order_id in (select order_id from selected_orders)
)
select association_id, level, parent_id, quote_coupon_id,
       created_at at time zone 'UTC' as created_at, currency, is_deleted,
       deleted_at at time zone 'UTC' as deleted_at
from coupon_junctions
where (parent_id, level) in (select parent_id, level from parents)
order by created_at, association_id;
