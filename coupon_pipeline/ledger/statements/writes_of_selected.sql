-- Writes to what the selected orders are about: targets, Stripe coupons, quote coupons, order
-- coupons (a new one goes by its snapshot), and sync records.
with of_selected as (
    select s.snapshot_id, s.quote_coupon_id, coalesce(s.order_item_id, s.order_id) as parent_id
    from coupon_snapshots s
    where s.order_id in (select order_id from selected_orders)
), replaced as (
    select * from coupon_replacements
    where snapshot_id in (select snapshot_id from of_selected)
), attached as (
    select * from coupon_attachments
    where snapshot_id in (select snapshot_id from of_selected)
), about as (
    select target_id as record_id from order_targets
    where order_id in (select order_id from selected_orders)
    union select target_id from attached
    union select place from attached
    union select coupon_id from attached
    union select target_id from replaced
    union select old_coupon_id from replaced
    union select new_coupon_id from replaced
    union
    select coupon_id from coupon_decisions
    where snapshot_id in (select snapshot_id from of_selected)
    union select snapshot_id from of_selected
    union select quote_coupon_id from of_selected
    union select parent_id || '-' || quote_coupon_id from of_selected
    union
    select coalesce(order_item_id, order_id) || '-' || coalesce(quote_coupon_id, '') from problems
    where order_id in (select order_id from selected_orders)
    union
    select order_coupon_id from order_coupons
    where order_id in (select order_id from selected_orders)
       or order_item_id in (
           select order_item_id from order_items
           where order_id in (select order_id from selected_orders)
       )
)
select i.system, i.operation, i.target_id, i.written_at at time zone 'UTC' as written_at, i.actor,
       i.run_id, i.plan_id, i.before, i.body, o.outcome, o.request_id, o.detail
from write_intents i
left join write_outcomes o on o.intent_id = i.intent_id
where i.target_id in (select record_id from about)
order by i.entry;
