-- +goose Up
-- For searches by Sinch's id.
create index mms_log_sinch on mms_log (sinch_tracking_id) where sinch_tracking_id is not null;

-- +goose Down
drop index mms_log_sinch;
