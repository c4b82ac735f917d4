-- Of other orders' snapshots with the same coupons: the first and the last of each terms.
select s.snapshot_id, s.org_id, s.order_id, s.order_item_id, s.quote_coupon_id, s.association_id,
       s.association_created_at, s.activated_at, s.evidence, s.evidence_record_id, s.evidence_at,
       s.terms_uncertain, s.currency, s.quote_currency, s.order_currency, s.association_currency,
       s.fields, s.rates
from coupon_snapshots s
join snapshot_terms t on t.snapshot_id = s.snapshot_id
where t.terms_hash is not null
  and s.order_id not in (select order_id from selected_orders)
  and s.quote_coupon_id in (
    select quote_coupon_id from coupon_snapshots
    where order_id in (select order_id from selected_orders)
  )
qualify row_number() over (
    partition by s.quote_coupon_id, t.terms_hash order by s.activated_at, s.snapshot_id
) = 1
or row_number() over (
    partition by s.quote_coupon_id, t.terms_hash order by s.activated_at desc, s.snapshot_id desc
) = 1;
