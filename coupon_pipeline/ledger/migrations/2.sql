-- From version 1: intents and outcomes become one chain, to which their rows are appended again.
drop view salesforce_records;
drop table write_intents;
drop table write_outcomes;

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
select i.operation, i.target_id as record_key, i.body, o.outcome, o.detail, i.written_at, i.run_id
from write_intents i
left join write_outcomes o on o.intent_id = i.intent_id
where i.system = 'salesforce'
qualify row_number() over (partition by i.operation, i.target_id order by i.entry desc) = 1;
