-- Revision 0004: who is told of events and promotions, and what they were told. Frozen.

CREATE TABLE webhooks (
    id INTEGER GENERATED ALWAYS AS IDENTITY,
    url TEXT NOT NULL,
    secret BYTEA NOT NULL,
    types TEXT[] NOT NULL,
    profile TEXT,
    "position" BIGINT NOT NULL,
    promotion BIGINT NOT NULL,
    failing_since TIMESTAMPTZ,
    disabled TEXT,
    created_at TIMESTAMPTZ DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT pk_webhooks PRIMARY KEY (id),
    CONSTRAINT ck_webhooks_url CHECK (length(url) BETWEEN 1 AND 2000),
    CONSTRAINT ck_webhooks_secret CHECK (octet_length(secret) BETWEEN 24 AND 64),
    CONSTRAINT fk_webhooks_profile FOREIGN KEY (profile) REFERENCES profiles (name)
);

CREATE TABLE deliveries (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    webhook INTEGER NOT NULL,
    message TEXT NOT NULL,
    type TEXT NOT NULL,
    body TEXT NOT NULL,
    state TEXT DEFAULT 'waiting' NOT NULL,
    attempts INTEGER DEFAULT 0 NOT NULL,
    next_at TIMESTAMPTZ DEFAULT clock_timestamp() NOT NULL,
    status INTEGER,
    error TEXT,
    created_at TIMESTAMPTZ DEFAULT clock_timestamp() NOT NULL,
    ended_at TIMESTAMPTZ,
    CONSTRAINT pk_deliveries PRIMARY KEY (id),
    CONSTRAINT uq_deliveries_webhook_message UNIQUE (webhook, message),
    CONSTRAINT ck_deliveries_state CHECK (state IN ('waiting', 'delivered', 'failed')),
    CONSTRAINT fk_deliveries_webhook FOREIGN KEY (webhook) REFERENCES webhooks (id) ON DELETE CASCADE
);

CREATE INDEX ix_deliveries_due ON deliveries (next_at) WHERE state = 'waiting';

CREATE INDEX ix_deliveries_webhook_id ON deliveries (webhook, id);

CREATE INDEX ix_deliveries_ended_at ON deliveries (ended_at);
