select o.order_id, o.order_number, o.activated_at at time zone 'UTC' as activated_at,
       o.modified_at at time zone 'UTC' as modified_at, o.account_id, o.quote_id, o.contract_id,
       o.currency, o.quote_currency, o.stripe_id, o.order_type, o.effective_date,
       t.initial_order_id, t.initial_stripe_id
from activated_orders o
join order_targets t on t.order_id = o.order_id
where o.order_id in (select order_id from selected_orders)
order by o.activated_at, o.order_id;
