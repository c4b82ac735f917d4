-- From version 4: order items have a name, which the next run reads.
alter table order_items add column name varchar;
