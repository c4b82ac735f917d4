-- Stripe coupons that stand for other terms than the selected orders' snapshots, or for two.
select s.order_id, c.coupon_id, 'has other terms than were signed'
from coupon_snapshots s
join snapshot_terms t on t.snapshot_id = s.snapshot_id
join stripe_coupons c
  on c.quote_coupon_id = s.quote_coupon_id and c.terms_hash = t.terms_hash
where s.order_id in (select order_id from selected_orders)
  and c.terms <> t.terms
union
select c.first_order_id, c.coupon_id, 'stands for two sets of terms'
from stripe_coupons c
join stripe_coupons other
  on other.coupon_id = c.coupon_id and other.terms_hash <> c.terms_hash
union
select d.order_id, d.coupon_id, 'is another one than the ledger names for these terms'
from (
    select s.order_id, d.coupon_id, s.quote_coupon_id, t.terms_hash
    from coupon_snapshots s
    join snapshot_terms t on t.snapshot_id = s.snapshot_id
    join coupon_decisions d on d.snapshot_id = s.snapshot_id
    left join coupon_attachments a on a.snapshot_id = s.snapshot_id
    where s.order_id in (select order_id from selected_orders)
      and d.coupon_id is not null and a.attached_at is null and t.terms_hash is not null
) d
join stripe_coupons c on c.quote_coupon_id = d.quote_coupon_id and c.terms_hash = d.terms_hash
where c.coupon_id <> d.coupon_id
order by 1, 2;
