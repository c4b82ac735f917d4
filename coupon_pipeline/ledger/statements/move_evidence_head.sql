delete from evidence_head;
insert into evidence_head (entries, hash) select entries, hash from staged;
