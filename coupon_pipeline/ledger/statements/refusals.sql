-- A stored answer of Stripe's would be given again for the same key, errors included, so every
-- refusal makes the key of the next attempt another one.
select i.operation, i.target_id, count(*)
from write_intents i
join write_outcomes o on o.intent_id = i.intent_id
where o.outcome = 'refused'
group by i.operation, i.target_id;
