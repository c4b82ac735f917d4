-- When the first write to a subscription or schedule since a time was about to leave, of all runs or
-- of one.
select min(written_at) at time zone 'UTC'
from write_intents
where system = 'stripe'
  and operation in ('subscription.update', 'schedule.update')
  and written_at >= (select max(written_at) from staged)
  and coalesce((select max(run_id) from staged), run_id) = run_id;
