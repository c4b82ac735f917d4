-- Writes to subscriptions and schedules since a time that one of the staged requests may be: those
-- requests, and what was never answered.
select i.target_id, i.run_id, i.epoch, i.before, i.body, o.request_id
from write_intents i
left join write_outcomes o on o.intent_id = i.intent_id
where i.system = 'stripe'
  and i.operation in ('subscription.update', 'schedule.update')
  and i.written_at >= (select max(written_at) from asked_since)
  and (o.request_id is null or o.request_id in (select request_id from staged))
order by i.entry;
