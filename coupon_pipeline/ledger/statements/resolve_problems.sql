-- What the stage no longer sees on the selected orders is resolved.
update problems
set resolved_at = (select max(last_seen_at) from stage_now)
where resolved_at is null
  and stage = (select max(stage) from stage_now)
  and order_id in (select order_id from selected_orders)
  and problem_id not in (select problem_id from staged);
