-- Days on which something can still be decided: a snapshot without a decision, pending or blocked
-- and not for good, an open problem, a discount that a later phase can have now, or an order whose
-- phase may still come for the discounts of earlier ones.
select o.activation_day
from activated_orders o
join coupon_snapshots s on s.order_id = o.order_id
left join coupon_attachments a on a.snapshot_id = s.snapshot_id
where a.attached_at is null
  and (a.outcome is null or a.outcome in ('pending', 'blocked'))
  and (a.code is null or a.code not in (select code from final_codes))
union
select p.activation_day
from problems p
join activated_orders o on o.order_id = p.order_id
where p.resolved_at is null
  and p.effect in ('pending', 'blocked')
  and p.code not in (select code from final_codes)
union
select s.activation_day
from coupon_snapshots s
join carry_later c on c.snapshot_id = s.snapshot_id
where c.due_from <= (select max(due_from) from staged)
union
select u.activation_day
from unplanned_orders u
where u.effective_date >= (select (max(due_from) at time zone 'UTC')::date from staged)
  and (u.target_id in (select target_id from targets_with_grants)
       or u.initial_stripe_id in (select target_id from targets_with_grants))
order by 1;
