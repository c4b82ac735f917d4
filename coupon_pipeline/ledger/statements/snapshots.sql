select snapshot_id, org_id, order_id, order_item_id, quote_coupon_id, association_id,
       association_created_at at time zone 'UTC' as association_created_at,
       activated_at at time zone 'UTC' as activated_at, evidence, evidence_record_id,
       evidence_at at time zone 'UTC' as evidence_at, terms_uncertain, currency, quote_currency,
       order_currency, association_currency, fields, rates
from coupon_snapshots
where order_id in (select order_id from selected_orders)
order by activated_at, order_id, order_item_id nulls first, association_created_at,
         association_id, snapshot_id;
