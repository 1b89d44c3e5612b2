DROP TABLE detector_promotions;
ALTER TABLE detector_versions
    DROP COLUMN source, DROP COLUMN parent, DROP COLUMN verdict, DROP COLUMN reason,
    DROP COLUMN report;
