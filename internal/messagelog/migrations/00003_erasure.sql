-- +goose Up
-- When the content was dropped, and the rows whose content is dropped next.
alter table mms_log add column redacted_at timestamptz;
create index mms_log_content on mms_log (final_at) where final_at is not null and redacted_at is null;

-- For the erasure of what came from a number.
create index mms_inbound_recipient on mms_inbound (recipient);

-- The latest inbound messages that were erased: a writer that has read one before does not write it.
create table mms_inbound_erased (
    id                 text collate "C" primary key,
    erased_at          timestamptz not null
);

-- +goose Down
drop table mms_inbound_erased;
drop index mms_inbound_recipient;
drop index mms_log_content;
alter table mms_log drop column redacted_at;
