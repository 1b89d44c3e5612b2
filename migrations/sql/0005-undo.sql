DROP TABLE event_revisions;
