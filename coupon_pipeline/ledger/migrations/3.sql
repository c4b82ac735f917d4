-- From version 2: orders know the initial order of their contract.
alter table activated_orders add column initial_order_id varchar;
alter table activated_orders add column initial_stripe_id varchar;

-- What in Stripe carries an order's discounts: an amendment without a Stripe id of its own is in the
-- schedule of the initial order. Its contract names that order; where it does not, the only new
-- order on the same contract is it.
create view order_targets as
select o.order_id,
       coalesce(o.initial_order_id, c.order_id) as initial_order_id,
       coalesce(o.initial_stripe_id, i.stripe_id, c.stripe_id) as initial_stripe_id,
       case when o.stripe_id is not null or coalesce(lower(o.order_type), '') <> 'amendment'
            then o.stripe_id
            else coalesce(o.initial_stripe_id, i.stripe_id, c.stripe_id) end as target_id
from activated_orders o
left join activated_orders i on i.order_id = o.initial_order_id
left join (
    select contract_id, min(order_id) as order_id, min(stripe_id) as stripe_id
    from activated_orders
    where stripe_id is not null and lower(order_type) = 'new'
    group by contract_id
    having count(distinct stripe_id) = 1
) c on c.contract_id = o.contract_id and o.initial_order_id is null;
