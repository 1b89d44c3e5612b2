DROP INDEX ix_predictions_probability;
CREATE INDEX ix_predictions_probability ON predictions (probability) WHERE first;
DROP INDEX uq_predictions_position;
