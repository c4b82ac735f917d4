select snapshot_id, mapping_hash, terms, terms_hash, metadata, code, details
from snapshot_terms
where snapshot_id in (select snapshot_id from staged);
