create or replace temporary table selected_orders as
select order_id from activated_orders
where activation_day between (select min(activation_day) from selected_days)
                         and (select max(activation_day) from selected_days)
  and (
    not exists (select 1 from asked_orders)
    or order_id in (select order_id from asked_orders)
  );
