-- Revision 0019: keys that are limited to profiles and devices. Frozen: later changes are later revisions.

ALTER TABLE api_keys
    ADD COLUMN profiles TEXT[] NOT NULL DEFAULT '{}',
    ADD COLUMN devices TEXT[] NOT NULL DEFAULT '{}',
    ADD CONSTRAINT ck_api_keys_reach CHECK (
        role IN ('viewer', 'labeler', 'operator') OR profiles = '{}' AND devices = '{}'
    );
