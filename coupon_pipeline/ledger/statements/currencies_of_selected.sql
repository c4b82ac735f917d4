-- Terms with the currencies around them: few different ones, however many orders.
select t.terms, s.currency, s.quote_currency, s.order_currency, s.association_currency,
       min(s.order_id), count(*)
from coupon_snapshots s
join snapshot_terms t on t.snapshot_id = s.snapshot_id
left join coupon_attachments a on a.snapshot_id = s.snapshot_id
where s.order_id in (select order_id from selected_orders)
  and t.terms is not null
  and a.attached_at is null
group by t.terms, s.currency, s.quote_currency, s.order_currency, s.association_currency;
