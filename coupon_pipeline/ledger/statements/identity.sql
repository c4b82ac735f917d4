select org_id, stripe_account, livemode from ledger_identity;
