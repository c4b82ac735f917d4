-- Orders that an id is about: an order (by id or number), an item, a quote coupon, a Stripe
-- coupon, a discount, a subscription, a subscription item or a schedule.
select distinct o.order_id
from activated_orders o
join order_targets p on p.order_id = o.order_id
left join coupon_snapshots s on s.order_id = o.order_id
left join coupon_attachments a on a.snapshot_id = s.snapshot_id
left join coupon_decisions d on d.snapshot_id = s.snapshot_id
left join snapshot_terms t on t.snapshot_id = s.snapshot_id
left join stripe_coupons c
       on c.quote_coupon_id = s.quote_coupon_id and c.terms_hash = t.terms_hash
join staged on staged.order_id in (
    o.order_id, o.order_number, o.stripe_id, p.target_id, s.order_item_id, s.quote_coupon_id,
    a.target_id, a.place, a.discount_id, d.coupon_id, c.coupon_id
)
union
select order_id from order_items
where order_item_id in (select order_id from staged)
   or stripe_id in (select order_id from staged);
