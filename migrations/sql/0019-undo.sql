-- A key that is limited must not become one that is not.
UPDATE api_keys SET revoked_at = coalesce(revoked_at, clock_timestamp())
    WHERE profiles <> '{}' OR devices <> '{}';
ALTER TABLE api_keys
    DROP CONSTRAINT ck_api_keys_reach,
    DROP COLUMN profiles,
    DROP COLUMN devices;
