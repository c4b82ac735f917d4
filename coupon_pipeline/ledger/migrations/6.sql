-- From version 5: the phases that a discount was put on are those of one schedule. Where it was granted
-- elsewhere and sent on, which one that was is not known.
alter table coupon_attachments add column schedule_id varchar;
update coupon_attachments set schedule_id = target_id
where phases <> '[]' and starts_with(target_id, 'sub_sched_');

-- An order counts as planned as it was then. Which ones have changed since is not known, so the next
-- run of an order's day looks at its target once.
create temporary table planned_before as select order_id, target_id from planned_orders;
drop table planned_orders;
create table planned_orders (
    order_id    varchar primary key,
    target_id   varchar not null,
    modified_at timestamptz not null
);
insert into planned_orders select order_id, target_id, 'epoch' from planned_before;
drop table planned_before;

-- Every name of a target that has a grant: what the order of the grant calls it, and what it was
-- called when the grant was made.
create view targets_with_grants as
select t.target_id
from coupon_attachments a
join coupon_snapshots s on s.snapshot_id = a.snapshot_id
join order_targets t on t.order_id = s.order_id
where a.attached_at is not null and t.target_id is not null
union
select a.target_id from coupon_attachments a where a.attached_at is not null and a.target_id is not null
union
select a.place from coupon_attachments a where a.attached_at is not null and a.place is not null;

-- Orders that have come to a target since it was planned, or that have changed since.
create view unplanned_orders as
select o.order_id, o.activation_day, o.effective_date, t.target_id, t.initial_stripe_id
from activated_orders o
join order_targets t on t.order_id = o.order_id
left join planned_orders p
  on p.order_id = o.order_id and p.target_id = t.target_id and p.modified_at = o.modified_at
where t.target_id is not null and p.order_id is null;
