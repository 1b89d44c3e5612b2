-- Revision 0014: versions that answer beside the champion, unheard. Frozen.

CREATE TABLE shadows (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    profile TEXT NOT NULL,
    version INTEGER NOT NULL,
    by TEXT NOT NULL,
    reason TEXT NOT NULL,
    at TIMESTAMPTZ DEFAULT clock_timestamp() NOT NULL,
    position BIGINT NOT NULL,
    skipped BIGINT DEFAULT 0 NOT NULL,
    ended_at TIMESTAMPTZ,
    ended_by TEXT,
    CONSTRAINT pk_shadows PRIMARY KEY (id),
    CONSTRAINT ck_shadows_ended CHECK ((ended_at IS NULL) = (ended_by IS NULL)),
    CONSTRAINT fk_shadows_profile FOREIGN KEY (profile) REFERENCES profiles (name),
    CONSTRAINT fk_shadows_version FOREIGN KEY (version) REFERENCES model_versions (version)
);

CREATE UNIQUE INDEX uq_shadows_present ON shadows (profile) WHERE ended_at IS NULL;

CREATE INDEX ix_shadows_version ON shadows (version);

CREATE TABLE shadow_predictions (
    event UUID NOT NULL,
    model_version INTEGER NOT NULL,
    label TEXT NOT NULL,
    probability DOUBLE PRECISION NOT NULL,
    unknown BOOLEAN NOT NULL,
    at TIMESTAMPTZ DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT pk_shadow_predictions PRIMARY KEY (event, model_version),
    CONSTRAINT fk_shadow_predictions_event FOREIGN KEY (event) REFERENCES events (id) ON DELETE CASCADE,
    CONSTRAINT fk_shadow_predictions_model_version FOREIGN KEY (model_version) REFERENCES model_versions (version)
);

CREATE INDEX ix_shadow_predictions_model_version ON shadow_predictions (model_version);
