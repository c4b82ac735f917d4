-- Associations of the orders just read that are gone for good; deleted ones are still read
-- while the recycle bin holds them.
delete from coupon_junctions
where association_id not in (select association_id from staged)
  and (
    (level = 'order' and parent_id in (
        select quote_id from activated_orders
        where order_id in (select order_id from selected_orders)
    ))
    or (level = 'order_item' and parent_id in (
        select quote_line_id from order_items
        where order_id in (select order_id from selected_orders)
    ))
  );
