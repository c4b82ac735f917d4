-- Rates that a snapshot was frozen without.
update coupon_snapshots s
set rates = staged.rates
from staged
where s.snapshot_id = staged.snapshot_id and s.rates is null;
