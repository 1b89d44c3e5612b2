-- Revision 0024: what was known beside an event's window when it was named. Frozen.

ALTER TABLE events ADD COLUMN context JSONB;
ALTER TABLE streams ADD COLUMN session BYTEA;

CREATE TABLE device_pasts (
    device TEXT NOT NULL,
    profile TEXT NOT NULL,
    position BIGINT NOT NULL,
    past JSONB,
    at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT pk_device_pasts PRIMARY KEY (device, profile),
    CONSTRAINT fk_device_pasts_device
        FOREIGN KEY (device) REFERENCES devices (id) ON DELETE CASCADE,
    CONSTRAINT fk_device_pasts_profile
        FOREIGN KEY (profile) REFERENCES profiles (name)
);
