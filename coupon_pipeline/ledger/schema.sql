-- The ledger: what was read, what was decided, what was written. One file, one schema.
-- Plain enough for Postgres: values travel in staged rows, ids and hashes are text,
-- money is bigint in minor units, exact decimals and JSON are text in a canonical form.
-- A change here raises SCHEMA_VERSION and has its statements in migrations/.

create table ledger_identity (
    schema_version integer not null,
    org_id         varchar,      -- pinned by the first run
    stripe_account varchar,
    livemode       boolean,
    opened_at      timestamptz not null
);

create table runs (
    run_id       varchar primary key,
    first_day    date not null,
    last_day     date not null,
    mapping_hash varchar not null,
    started_at   timestamptz not null,
    finished_at  timestamptz,
    report       varchar            -- JSON, as `sync --json` prints it
);

-- What each stage of a run did and what it cost.
create table run_stages (
    run_id           varchar not null,
    stage            varchar not null,
    totals           varchar not null,  -- JSON: counts by name
    salesforce_calls integer not null,
    stripe_reads     integer not null,
    stripe_writes    integer not null,
    primary key (run_id, stage)
);

-- What was read from Salesforce -------------------------------------------------------------

create table activated_orders (
    order_id       varchar primary key,   -- 18 characters, of Salesforce
    order_number   varchar not null,      -- what people call it
    activation_day date not null,         -- the UTC day of its activation: the partition
    activated_at   timestamptz not null,  -- ActivatedDate, in UTC
    modified_at    timestamptz not null,  -- SystemModstamp as it was read
    account_id     varchar,               -- whose order it is
    quote_id       varchar,               -- the quote that it was made from
    contract_id    varchar,               -- the contract that it started or amends
    currency       varchar,               -- of the order
    quote_currency varchar,               -- of its quote
    stripe_id      varchar,               -- the subscription, schedule or invoice that it became
    order_type     varchar,               -- New, Amendment, ... as Salesforce has it
    effective_date date,                  -- when the service starts
    initial_order_id  varchar,            -- the order that the contract came from
    initial_stripe_id varchar             -- that order's Stripe id
);

-- What in Stripe carries an order's discounts: an amendment without a Stripe id of its own is in the
-- schedule of the initial order. Its contract names that order; where it does not, the only new
-- order on the same contract is it.
create view order_targets as
select o.order_id,
       coalesce(o.initial_order_id, c.order_id) as initial_order_id,
       coalesce(o.initial_stripe_id, i.stripe_id, c.stripe_id) as initial_stripe_id,
       case when o.stripe_id is not null or coalesce(lower(o.order_type), '') <> 'amendment'
            then o.stripe_id
            else coalesce(o.initial_stripe_id, i.stripe_id, c.stripe_id) end as target_id
from activated_orders o
left join activated_orders i on i.order_id = o.initial_order_id
left join (
    select contract_id, min(order_id) as order_id, min(stripe_id) as stripe_id
    from activated_orders
    where stripe_id is not null and lower(order_type) = 'new'
    group by contract_id
    having count(distinct stripe_id) = 1
) c on c.contract_id = o.contract_id and o.initial_order_id is null;

create table order_items (
    order_item_id varchar primary key,
    order_id      varchar not null,
    quote_line_id varchar,
    stripe_id     varchar,
    price_id      varchar,
    quantity      varchar,
    created_at    timestamptz not null,
    name          varchar            -- product and number, for people
);

create table coupon_junctions (
    association_id  varchar primary key,   -- 18 characters, of Salesforce
    level           varchar not null,      -- order | order_item
    parent_id       varchar not null,      -- quote or quote line
    quote_coupon_id varchar not null,      -- the coupon; empty when it was deleted for good
    created_at      timestamptz not null,  -- after the activation it is late
    currency        varchar,               -- of the association
    is_deleted      boolean not null,      -- deleting it after the activation takes nothing back
    deleted_at      timestamptz            -- when it was deleted
);

create table order_coupons (
    order_coupon_id varchar primary key,
    order_id        varchar,
    order_item_id   varchar,
    quote_coupon_id varchar not null,
    created_at      timestamptz not null,
    modified_at     timestamptz not null,
    stripe_id       varchar,
    fields          varchar not null
);

-- Append only: one row for each state of a quote coupon that was seen.
create table coupon_versions (
    quote_coupon_id varchar not null,
    effective_at    timestamptz not null,
    created_at      timestamptz not null,
    currency        varchar,
    stripe_id       varchar,
    is_deleted      boolean not null,
    fields          varchar not null,
    primary key (quote_coupon_id, effective_at)
);

-- Each quote coupon as it was last seen. A write-back of ours or a changed parent record shows
-- here without being a version, because it is no edit of the coupon.
create table quote_coupons (
    quote_coupon_id varchar primary key,
    effective_at    timestamptz not null,
    created_at      timestamptz not null,
    currency        varchar,
    stripe_id       varchar,
    is_deleted      boolean not null,
    fields          varchar not null
);

-- How far a source that is read by change has been read.
create table watermarks (
    source     varchar primary key,
    read_up_to timestamptz not null,
    reading    varchar not null     -- what was selected; another selection starts again
);

-- What was decided --------------------------------------------------------------------------

-- Append only, never rewritten: the coupon as it stood when the order activated.
create table coupon_snapshots (
    snapshot_id            varchar primary key,   -- derived from org, scope and quote coupon
    org_id                 varchar not null,      -- the Salesforce org
    order_id               varchar not null,      -- the order that it belongs to
    order_item_id          varchar,               -- the item that it discounts; empty for the whole order
    quote_coupon_id        varchar not null,      -- the coupon that was frozen
    association_id         varchar,               -- what put the coupon there
    association_created_at timestamptz,           -- after the activation it is late
    activated_at           timestamptz not null,  -- the moment that it shows
    activation_day         date not null,         -- the UTC day of that: the partition
    evidence               varchar not null,      -- order_coupon | coupon_version | quote_coupon_today
    evidence_record_id     varchar not null,      -- the order coupon, else the quote coupon
    evidence_at            timestamptz not null,  -- when that was made or took effect
    terms_uncertain        boolean not null,      -- nothing proves the terms of then
    currency               varchar,               -- of the coupon's amounts
    quote_currency         varchar,               -- of the quote
    order_currency         varchar,               -- of the order
    association_currency   varchar,               -- of the association
    fields                 varchar not null,      -- JSON: all readable ones of the coupon, as they were then
    rates                  varchar,               -- JSON: the org's rates on that day, if amounts convert
    frozen_at              timestamptz not null,  -- when it was made; never rewritten
    run_id                 varchar not null       -- the run that made it
);

-- Derived from the frozen fields by a mapping; derived again when the mapping changes.
create table snapshot_terms (
    snapshot_id  varchar primary key,
    mapping_hash varchar not null,
    terms        varchar,            -- canonical JSON; null when blocked
    terms_hash   varchar,
    metadata     varchar not null,   -- JSON
    code         varchar,
    details      varchar not null
);

create table stripe_coupons (
    quote_coupon_id varchar not null,      -- the coupon in Salesforce
    terms_hash      varchar not null,      -- hash of the canonical terms; other terms are another coupon
    coupon_id       varchar not null,      -- in Stripe: derived from org, quote coupon and terms, or adopted
    origin          varchar not null,      -- created | adopted
    reason          varchar not null,      -- why it was made or taken
    terms           varchar not null,      -- JSON: what Stripe never lets us change, and the name
    metadata        varchar not null,      -- JSON: the keys of ours as last written
    mapping_hash    varchar not null,      -- the mapping that it was made with
    first_order_id  varchar not null,      -- the first order that needed it
    recorded_at     timestamptz not null,  -- when it was first recorded
    run_id          varchar not null,      -- the run that wrote it last
    primary key (quote_coupon_id, terms_hash)
);

-- The latest decision on each snapshot's coupon.
create table coupon_decisions (
    snapshot_id varchar primary key,
    decision    varchar not null,       -- create | reuse | adopt | blocked
    coupon_id   varchar,
    code        varchar,
    reason      varchar not null,
    differences varchar not null,       -- JSON list of texts: what a rejected near match had
    redemptions_left integer,          -- discounts that Stripe would still make from it; null: no limit
    decided_at  timestamptz not null,
    run_id      varchar not null
);

-- The latest decision on each snapshot's discount. A grant stays: `attached_at` is never unset.
create table coupon_attachments (
    snapshot_id varchar primary key,   -- what was signed
    outcome     varchar not null,      -- attached | adopted | unchanged | replaced | pending | blocked | not_applicable
    code        varchar,               -- what is wrong with it: docs/problems.md
    details     varchar not null,      -- JSON: what the code's sentence names
    reason      varchar not null,      -- why, in words
    coupon_id   varchar,               -- the Stripe coupon that was granted
    target_id   varchar,               -- the subscription or schedule
    place       varchar,               -- the subscription or subscription item that has it
    discount_id varchar,               -- Stripe's di_ id, once it is known
    phases      varchar not null,      -- JSON: starts of the phases that it was put on
    attached_at timestamptz,           -- a grant stays: never unset
    decided_at  timestamptz not null,  -- when this was decided
    run_id      varchar not null,      -- the run that decided it
    schedule_id varchar                -- the schedule whose phases those are
);

-- Append only: discounts that took the place of others because somebody asked for it. What the
-- snapshot has now is in coupon_attachments.
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

-- Discounts that later phases need and that do not exist yet: plan the target again when due.
create table carry_later (
    target_id   varchar not null,
    snapshot_id varchar not null,
    coupon_id   varchar not null,
    due_from    timestamptz not null,
    before      timestamptz not null,
    phases      varchar not null,       -- JSON: starts of the phases
    primary key (target_id, snapshot_id)
);

create table problems (
    problem_id      varchar primary key,
    stage           varchar not null,
    code            varchar not null,
    effect          varchar not null,
    message         varchar not null,
    fix             varchar not null,
    order_id        varchar,
    order_item_id   varchar,
    quote_coupon_id varchar,
    activation_day  date not null,
    first_seen_at   timestamptz not null,
    last_seen_at    timestamptz not null,
    resolved_at     timestamptz
);

-- Orders as they were when their target was planned: an amendment adds a phase into which earlier
-- orders' discounts have to go on, even if it has no coupon of its own.
create table planned_orders (
    order_id    varchar primary key,
    target_id   varchar not null,
    modified_at timestamptz not null    -- SystemModstamp: an order that has changed may have come anew
);

-- Every name of a target that has a grant: what the order of the grant calls it, and what it was
-- called when the grant was made.
create view targets_with_grants as
select t.target_id
from coupon_attachments a
join coupon_snapshots s on s.snapshot_id = a.snapshot_id
join order_targets t on t.order_id = s.order_id
where a.attached_at is not null and t.target_id is not null
union
select a.target_id from coupon_attachments a where a.attached_at is not null and a.target_id is not null
union
select a.place from coupon_attachments a where a.attached_at is not null and a.place is not null;

-- Orders that have come to a target since it was planned, or that have changed since.
create view unplanned_orders as
select o.order_id, o.activation_day, o.effective_date, t.target_id, t.initial_stripe_id
from activated_orders o
join order_targets t on t.order_id = o.order_id
left join planned_orders p
  on p.order_id = o.order_id and p.target_id = t.target_id and p.modified_at = o.modified_at
where t.target_id is not null and p.order_id is null;

-- Sync records as they were last written to Salesforce.
create table sync_records (
    compound_id varchar primary key,
    order_id    varchar not null,
    status      varchar not null,       -- Error | Resolved
    message     varchar not null,
    written_at  timestamptz not null
);

-- Every write, before and after -------------------------------------------------------------

-- Append only and in one chain: an intent is committed before its request leaves, an outcome when
-- it is known. `hash` covers the entry and the hash of the entry before it.
create table evidence (
    entry      bigint primary key,      -- 1, 2, 3 ... in the order of commits, whatever a clock says
    kind       varchar not null,        -- intent | outcome
    intent_id  varchar not null,
    run_id     varchar not null,
    plan_id    varchar,                 -- the saved plan that was carried out
    actor      varchar not null,        -- user and machine
    written_at timestamptz not null,
    system     varchar,                 -- of an intent: stripe | salesforce
    operation  varchar,
    target_id  varchar,
    epoch      integer,                 -- part of the idempotency key
    before     varchar,                 -- JSON: what was there, where that had been read
    body       varchar,                 -- JSON, as sent
    outcome    varchar,                 -- of an outcome: done | refused | settled
    request_id varchar,
    detail     varchar,
    hash       varchar not null,
    unique (kind, intent_id)
);

-- The end of the chain, one row: so that entries missing at the end are noticed too.
create table evidence_head (
    entries bigint not null,
    hash    varchar not null
);

create view write_intents as
select intent_id, system, operation, target_id, epoch, before, body, run_id, plan_id, actor,
       written_at, entry
from evidence where kind = 'intent';

create view write_outcomes as
select intent_id, outcome, request_id, detail, run_id, actor, written_at, entry
from evidence where kind = 'outcome';

-- The latest write of each record in Salesforce.
create view salesforce_records as
select i.operation,                -- stripe_id.update | order_coupon.create | sync_record.upsert
       i.target_id as record_key,  -- the record; of a new order coupon the snapshot
       i.body,                     -- JSON: the fields as sent
       o.outcome,                  -- done | refused | settled; empty until it is known
       o.detail,                   -- what Salesforce said
       i.written_at,               -- just before the request left
       i.run_id                    -- the run that wrote it
from write_intents i
left join write_outcomes o on o.intent_id = i.intent_id
where i.system = 'salesforce'
qualify row_number() over (partition by i.operation, i.target_id order by i.entry desc) = 1;
