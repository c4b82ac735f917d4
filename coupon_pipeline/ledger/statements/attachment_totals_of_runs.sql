-- Of the latest runs, so that it stays the same work however long the ledger is kept.
select s.totals
from run_stages s
join runs r on r.run_id = s.run_id
where s.stage = 'coupon_attachments' and s.run_id not in (select run_id from staged)
order by r.started_at desc
limit 1000;
