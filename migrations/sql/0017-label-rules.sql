-- Revision 0017: a profile says what is made of its labels. Frozen: later changes are later revisions.

CREATE TABLE label_rules (
    profile TEXT NOT NULL,
    label TEXT NOT NULL,
    severity TEXT NOT NULL,
    merge_seconds DOUBLE PRECISION NOT NULL,
    suppress BOOLEAN NOT NULL,
    CONSTRAINT pk_label_rules PRIMARY KEY (profile, label),
    CONSTRAINT ck_label_rules_severity CHECK (severity IN ('info', 'warning', 'critical')),
    CONSTRAINT ck_label_rules_merge_seconds CHECK (merge_seconds >= 0),
    CONSTRAINT fk_label_rules_profile FOREIGN KEY (profile) REFERENCES profiles (name)
);
