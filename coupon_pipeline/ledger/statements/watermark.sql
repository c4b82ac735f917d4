select read_up_to, reading from watermarks where source = 'quote_coupons';
