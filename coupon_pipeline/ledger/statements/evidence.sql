select entry, kind, intent_id, run_id, plan_id, actor, written_at, system, operation, target_id,
       epoch, before, body, outcome, request_id, detail, hash
from evidence
order by entry;
