select entries, hash from evidence_head;
