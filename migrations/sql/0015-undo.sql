DROP TABLE drift_looks;
