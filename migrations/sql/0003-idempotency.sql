-- Revision 0003: answers that are given again to a repeated Idempotency-Key. Frozen.

CREATE TABLE idempotency_keys (
    scope BYTEA NOT NULL,
    key_id TEXT NOT NULL,
    digest BYTEA NOT NULL,
    claim UUID NOT NULL,
    state TEXT DEFAULT 'running' NOT NULL,
    status INTEGER,
    content_type TEXT,
    location TEXT,
    body BYTEA,
    created_at TIMESTAMPTZ DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT pk_idempotency_keys PRIMARY KEY (scope),
    CONSTRAINT ck_idempotency_keys_state CHECK (state IN ('running', 'done')),
    CONSTRAINT ck_idempotency_keys_status CHECK ((state = 'done') = (status IS NOT NULL)),
    CONSTRAINT ck_idempotency_keys_body CHECK (octet_length(body) <= 1048576),
    CONSTRAINT fk_idempotency_keys_key_id FOREIGN KEY (key_id) REFERENCES api_keys (id) ON DELETE CASCADE
);

CREATE INDEX ix_idempotency_keys_key_id ON idempotency_keys (key_id);

CREATE INDEX ix_idempotency_keys_created_at ON idempotency_keys (created_at);
