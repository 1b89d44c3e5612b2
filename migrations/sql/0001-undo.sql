DROP TABLE audit, jobs, promotions, labels, predictions, events, recordings, gaps,
    streams, api_keys, devices, detector_versions, model_versions, profiles;
DROP FUNCTION onset_events_in_commit_order(), onset_append_only(), onset_never();
