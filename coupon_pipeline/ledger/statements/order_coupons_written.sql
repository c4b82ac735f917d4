select count(*)
from write_intents i
join write_outcomes o on o.intent_id = i.intent_id
where i.operation = 'order_coupon.create'
  and o.outcome in ('done', 'settled')
  and i.written_at >= (select max(written_at) from staged);
