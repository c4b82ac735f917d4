select intent_id, system, operation, target_id, epoch, body, run_id,
       written_at at time zone 'UTC' as written_at
from write_intents
where intent_id not in (select intent_id from write_outcomes)
order by entry;
