DROP TABLE device_pasts;
ALTER TABLE streams DROP COLUMN session;
ALTER TABLE events DROP COLUMN context;
