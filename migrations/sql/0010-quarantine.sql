-- Revision 0010: readings on which a detector failed are kept to be looked at. Frozen.

CREATE TABLE quarantine (
    device TEXT NOT NULL,
    boot TEXT NOT NULL,
    seq BIGINT NOT NULL,
    detector_version INTEGER NOT NULL,
    "values" BYTEA NOT NULL,
    time DOUBLE PRECISION NOT NULL,
    why TEXT NOT NULL,
    at TIMESTAMPTZ DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT pk_quarantine PRIMARY KEY (device, boot, seq),
    CONSTRAINT fk_quarantine_device_boot FOREIGN KEY (device, boot) REFERENCES streams (device, boot) ON DELETE CASCADE
);

CREATE INDEX ix_quarantine_at ON quarantine (at);
