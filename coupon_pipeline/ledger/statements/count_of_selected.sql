select count(*) from selected_orders;
