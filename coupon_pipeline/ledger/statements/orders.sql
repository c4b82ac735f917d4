select order_id, order_number, activated_at at time zone 'UTC' as activated_at,
       modified_at at time zone 'UTC' as modified_at, account_id, quote_id, contract_id, currency,
       quote_currency, stripe_id, order_type, effective_date
from activated_orders
where order_id in (select order_id from selected_orders)
order by activated_at, order_id;
