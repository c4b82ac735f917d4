-- Discounts that made room for others since a time.
select distinct old_discount_id
from coupon_replacements
where old_discount_id is not null
  and replaced_at >= (select max(replaced_at) from staged);
