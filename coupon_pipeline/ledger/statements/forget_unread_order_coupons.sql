-- Order coupons of the orders just read that are gone.
delete from order_coupons
where order_coupon_id not in (select order_coupon_id from staged)
  and (
    order_id in (select order_id from selected_orders)
    or order_item_id in (
        select order_item_id from order_items
        where order_id in (select order_id from selected_orders)
    )
  );
