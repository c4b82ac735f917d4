select started_at at time zone 'UTC' as started_at
from runs
where run_id in (select run_id from staged);
