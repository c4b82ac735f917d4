select stage, totals, salesforce_calls, stripe_reads, stripe_writes
from run_stages
where run_id in (select run_id from staged);
