select opened_at at time zone 'UTC' as opened_at from ledger_identity;
