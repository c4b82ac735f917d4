-- Discounts from the staged coupons that have not been made as far as the ledger knows, each with
-- the phases that name its coupon.
select a.coupon_id, a.target_id, s.order_item_id, a.phases, a.snapshot_id
from coupon_attachments a
join coupon_snapshots s on s.snapshot_id = a.snapshot_id
where a.attached_at is not null
  and a.discount_id is null
  and a.coupon_id in (select coupon_id from staged);
