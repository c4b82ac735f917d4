select intent_id, system, operation, target_id, epoch, body, run_id,
       written_at at time zone 'UTC' as written_at
from write_intents
where run_id in (select run_id from staged)
order by entry;
