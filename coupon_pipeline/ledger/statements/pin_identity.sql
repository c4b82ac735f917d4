update ledger_identity
set org_id = coalesce(ledger_identity.org_id, staged.org_id),
    stripe_account = coalesce(ledger_identity.stripe_account, staged.stripe_account),
    livemode = coalesce(ledger_identity.livemode, staged.livemode)
from staged;
