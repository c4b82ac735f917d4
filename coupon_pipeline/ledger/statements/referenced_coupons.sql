-- Quote coupons that the selected orders' associations and order coupons name.
create or replace temporary table referenced_coupons as
with selected_items as (
    select order_item_id, quote_line_id from order_items
    where order_id in (select order_id from selected_orders)
)
select quote_coupon_id from coupon_junctions
where level = 'order' and parent_id in (
    select quote_id from activated_orders
    where order_id in (select order_id from selected_orders)
)
union
select quote_coupon_id from coupon_junctions
where level = 'order_item' and parent_id in (select quote_line_id from selected_items)
union
select quote_coupon_id from order_coupons
where order_id in (select order_id from selected_orders)
union
select quote_coupon_id from order_coupons
where order_item_id in (select order_item_id from selected_items);
