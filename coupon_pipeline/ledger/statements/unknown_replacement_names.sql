-- Of the staged ids those that no granted discount goes by.
select order_id from staged
where order_id not in (
    select unnest([s.snapshot_id, s.order_id, coalesce(s.order_item_id, ''), s.quote_coupon_id])
    from coupon_snapshots s
    join coupon_attachments a on a.snapshot_id = s.snapshot_id
    where a.attached_at is not null
)
order by order_id;
