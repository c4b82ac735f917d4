select quote_coupon_id from referenced_coupons
where quote_coupon_id not in (select quote_coupon_id from quote_coupons)
order by quote_coupon_id;
