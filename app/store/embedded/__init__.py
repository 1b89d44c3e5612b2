"""The PostgreSQL that Onset starts by itself."""
