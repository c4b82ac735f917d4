-- Rows that name a snapshot that is not there.
select 'snapshot_terms', snapshot_id, 'snapshot' from snapshot_terms
where snapshot_id not in (select snapshot_id from coupon_snapshots)
union all
select 'coupon_decisions', snapshot_id, 'snapshot' from coupon_decisions
where snapshot_id not in (select snapshot_id from coupon_snapshots)
union all
select 'coupon_attachments', snapshot_id, 'snapshot' from coupon_attachments
where snapshot_id not in (select snapshot_id from coupon_snapshots)
union all
select 'carry_later', snapshot_id, 'snapshot' from carry_later
where snapshot_id not in (select snapshot_id from coupon_snapshots)
order by 1, 2;
