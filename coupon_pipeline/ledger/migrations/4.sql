-- From version 3: discounts that took the place of others are remembered.
create table coupon_replacements (
    snapshot_id     varchar not null,
    replaced_at     timestamptz not null,
    old_coupon_id   varchar,            -- null where only the proof in Stripe remembers
    old_discount_id varchar,
    new_coupon_id   varchar not null,
    terms           varchar not null,   -- what was asked for; the new coupon may have fewer months
    target_id       varchar not null,
    run_id          varchar not null,
    primary key (snapshot_id, replaced_at)
);
