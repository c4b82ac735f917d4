select o.activation_day, count(*)
from order_items i
join activated_orders o on o.order_id = i.order_id
where o.order_id in (select order_id from selected_orders)
group by o.activation_day
order by o.activation_day;
