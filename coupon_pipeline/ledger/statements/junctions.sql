select association_id, level, parent_id, quote_coupon_id,
       created_at at time zone 'UTC' as created_at, currency, is_deleted,
       deleted_at at time zone 'UTC' as deleted_at
from (
    select * from coupon_junctions
    where level = 'order' and parent_id in (
        select quote_id from activated_orders
        where order_id in (select order_id from selected_orders)
    )
    union all
    select * from coupon_junctions
    where level = 'order_item' and parent_id in (
        select quote_line_id from order_items
        where order_id in (select order_id from selected_orders)
    )
) as found
order by created_at, association_id;
