-- Revision 0016: lists by probability are read from an index alone. Frozen: later changes are later revisions.

-- Events and predictions are joined by position: a page may be read in the order of either.
CREATE UNIQUE INDEX uq_predictions_position ON predictions ("position") INCLUDE (probability) WHERE first;

DROP INDEX ix_predictions_probability;
CREATE INDEX ix_predictions_probability ON predictions (probability) INCLUDE ("position") WHERE first;
