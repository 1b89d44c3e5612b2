-- Revision 0015: what the background's looks at drift found. Frozen.

CREATE TABLE drift_looks (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    profile TEXT NOT NULL,
    model_version INTEGER NOT NULL,
    number INTEGER NOT NULL,
    at TIMESTAMPTZ DEFAULT clock_timestamp() NOT NULL,
    position BIGINT NOT NULL,
    events INTEGER NOT NULL,
    budget DOUBLE PRECISION NOT NULL,
    alarm BOOLEAN NOT NULL,
    signals JSONB NOT NULL,
    CONSTRAINT pk_drift_looks PRIMARY KEY (id),
    CONSTRAINT uq_drift_looks_model_version_number UNIQUE (model_version, number),
    CONSTRAINT ck_drift_looks_number CHECK (number >= 0),
    CONSTRAINT fk_drift_looks_profile FOREIGN KEY (profile) REFERENCES profiles (name),
    CONSTRAINT fk_drift_looks_model_version FOREIGN KEY (model_version) REFERENCES model_versions (version)
);
