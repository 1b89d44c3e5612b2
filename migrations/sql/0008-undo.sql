DROP TRIGGER events_moved ON events;
DROP TRIGGER events_in_blocks ON events;
DROP TRIGGER labels_mark_events ON labels;
DROP FUNCTION onset_event_moved, onset_event_blocks, onset_labelled;
DROP TABLE event_blocks, alert_firings, alerts, alert_rules;
ALTER TABLE events DROP COLUMN labelled;
ALTER TABLE predictions DROP COLUMN "position";
CREATE INDEX ix_predictions_answer ON predictions (model_version, label) WHERE first;
