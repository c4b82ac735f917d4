-- Those that are frozen already stay as they are. Asking for them costs half of what a conflict does.
insert into coupon_snapshots (
    snapshot_id, org_id, order_id, order_item_id, quote_coupon_id, association_id,
    association_created_at, activated_at, activation_day, evidence, evidence_record_id, evidence_at,
    terms_uncertain, currency, quote_currency, order_currency, association_currency, fields, rates,
    frozen_at, run_id
)
select s.snapshot_id, s.org_id, s.order_id, s.order_item_id, s.quote_coupon_id, s.association_id,
       s.association_created_at, s.activated_at, cast(s.activated_at at time zone 'UTC' as date),
       s.evidence, s.evidence_record_id, s.evidence_at, s.terms_uncertain, s.currency,
       s.quote_currency, s.order_currency, s.association_currency, s.fields, s.rates,
       f.frozen_at, f.run_id
from staged s cross join freezing f
where s.snapshot_id not in (select snapshot_id from coupon_snapshots);
