-- +goose Up
-- One row a message. The encrypted or masked columns are described in docs/log.md.
create table mms_log (
    id                 text collate "C" not null,
    submitted_at       timestamptz not null,
    tenant             text not null,
    kind               text not null,
    version            bigint not null,
    recipient          text not null,
    sinch_number       text not null,
    media_url          text,
    message_text       text,
    subject            text,
    metadata           jsonb,
    client_reference   text,
    batch_id           text collate "C",
    priority           text not null,
    status             text not null,
    reason_code        text,
    sinch_code         text,
    error_message      text,
    attempts           integer not null,
    sinch_api          text,
    sinch_tracking_id  text,
    sent_as            text,
    operator_id        text,
    queued_at          timestamptz,
    sent_at            timestamptz,
    final_at           timestamptz,
    last_updated_at    timestamptz not null,
    -- The message as the ledger packs it: what the columns do not have, and what RECORD_KEYS encrypt.
    record             bytea not null,
    primary key (submitted_at, id)
) partition by range (submitted_at);

create index mms_log_list on mms_log (tenant, kind, submitted_at desc, id desc);
create index mms_log_recipient on mms_log (tenant, kind, recipient, submitted_at desc, id desc);
create index mms_log_reason on mms_log (tenant, kind, submitted_at desc, id desc) where reason_code is not null;
create index mms_log_reference on mms_log (tenant, kind, client_reference) where client_reference is not null;
create index mms_log_by_batch on mms_log (batch_id, submitted_at desc, id desc) where batch_id is not null;

-- The timeline, in the partition of the month in which the message was submitted.
create table mms_log_event (
    message_id         text collate "C" not null,
    submitted_at       timestamptz not null,
    n                  integer not null,
    at                 timestamptz not null,
    status             text not null,
    detail             text not null,
    attempt            integer,
    primary key (submitted_at, message_id, n)
) partition by range (submitted_at);

create table mms_log_batch (
    id                 text collate "C" primary key,
    tenant             text not null,
    kind               text not null,
    client_reference   text,
    created_at         timestamptz not null,
    canceled           boolean not null,
    total              bigint not null,
    valid              bigint not null,
    rejected           bigint not null,
    counts             jsonb not null,
    read_at            timestamptz not null
);
create index mms_log_batch_list on mms_log_batch (tenant, kind, created_at desc, id desc);
create index mms_log_batch_reference on mms_log_batch (tenant, kind, client_reference) where client_reference is not null;
create index mms_log_batch_age on mms_log_batch (created_at);

create table mms_audit (
    id                 text collate "C" primary key,
    at                 timestamptz not null,
    actor              text not null,
    origin             text not null,
    action             text not null,
    target             text not null,
    reason             text not null,
    before             jsonb,
    after              jsonb
);
create index mms_audit_at on mms_audit (at desc);

-- recipient is the number of the phone that the message came from.
create table mms_inbound (
    id                 text collate "C" primary key,
    received_at        timestamptz not null,
    recipient          text not null,
    sinch_number       text not null,
    message_text       text,
    media_url          text,
    keyword            text,
    record             bytea
);
create index mms_inbound_received on mms_inbound (received_at desc, id desc);

create table mms_usage_daily (
    tenant             text not null,
    kind               text not null,
    day                date not null,
    accepted           bigint not null,
    duplicates         bigint not null,
    rejected           bigint not null,
    sent               bigint not null,
    delivered          bigint not null,
    undelivered        bigint not null,
    failed             bigint not null,
    expired            bigint not null,
    canceled           bigint not null,
    unknown            bigint not null,
    primary key (tenant, kind, day)
);

-- +goose Down
drop table mms_usage_daily;
drop table mms_inbound;
drop table mms_audit;
drop table mms_log_batch;
drop table mms_log_event;
drop table mms_log;
