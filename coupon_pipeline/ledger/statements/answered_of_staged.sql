select intent_id from write_outcomes where intent_id in (select intent_id from staged);
