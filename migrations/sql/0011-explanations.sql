-- Revision 0011: why a model said what it said of an event, kept with the event. Frozen.

CREATE TABLE explanations (
    event UUID NOT NULL,
    model_version INTEGER NOT NULL,
    body JSONB NOT NULL,
    at TIMESTAMPTZ DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT pk_explanations PRIMARY KEY (event, model_version),
    CONSTRAINT fk_explanations_event FOREIGN KEY (event) REFERENCES events (id) ON DELETE CASCADE,
    CONSTRAINT fk_explanations_model_version FOREIGN KEY (model_version) REFERENCES model_versions (version)
);
