-- A problem seen again keeps the time when it was first seen, and is open again.
insert into problems (
    problem_id, stage, code, effect, message, fix, order_id, order_item_id, quote_coupon_id,
    activation_day, first_seen_at, last_seen_at
)
select s.problem_id, n.stage, s.code, s.effect, s.message, s.fix, s.order_id, s.order_item_id,
       s.quote_coupon_id, s.activation_day, n.last_seen_at, n.last_seen_at
from staged s cross join stage_now n
on conflict (problem_id) do update set
    effect = excluded.effect, message = excluded.message, fix = excluded.fix,
    activation_day = excluded.activation_day, last_seen_at = excluded.last_seen_at,
    first_seen_at = case when problems.resolved_at is null
                         then problems.first_seen_at else excluded.first_seen_at end,
    resolved_at = null;
