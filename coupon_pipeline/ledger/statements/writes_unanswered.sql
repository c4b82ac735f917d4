select i.target_id, i.operation, 'was sent and never answered: run its order again'
from write_intents i
where i.intent_id not in (select intent_id from write_outcomes)
  and i.written_at < (select max(written_at) from staged)
order by 1, 2;
