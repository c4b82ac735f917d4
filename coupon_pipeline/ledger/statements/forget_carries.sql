delete from carry_later where target_id in (select target_id from staged);
