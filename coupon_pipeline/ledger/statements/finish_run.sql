update runs
set finished_at = staged.finished_at, report = staged.report
from staged
where runs.run_id = staged.run_id;
