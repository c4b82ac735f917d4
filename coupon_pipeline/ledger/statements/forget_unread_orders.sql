-- Orders of the days just read that are no longer activated, or now on another day.
delete from activated_orders
where activation_day between (select min(activation_day) from selected_days)
                         and (select max(activation_day) from selected_days)
  and not exists (select 1 from asked_orders)
  and order_id not in (select order_id from staged);
