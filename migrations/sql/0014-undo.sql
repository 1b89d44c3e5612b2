DROP TABLE shadow_predictions, shadows;
