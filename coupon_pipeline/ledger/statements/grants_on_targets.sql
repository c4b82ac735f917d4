-- Everything granted so far on the staged targets and their items, whichever order it belongs to, and
-- what was granted to the selected orders wherever it is.
select a.snapshot_id, a.coupon_id, a.target_id, a.discount_id, a.phases, a.attached_at,
       s.order_id, s.order_item_id, t.terms, a.schedule_id, a.place
from coupon_attachments a
join coupon_snapshots s on s.snapshot_id = a.snapshot_id
join stripe_coupons t on t.coupon_id = a.coupon_id
where a.attached_at is not null
  and (
    a.target_id in (select target_id from staged)
    or a.place in (select target_id from staged)
    or a.discount_id in (select target_id from staged)
    or s.order_id in (select order_id from selected_orders)
  )
order by a.attached_at, a.snapshot_id;
