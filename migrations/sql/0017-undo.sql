DROP TABLE label_rules;
