"""Telling those who look or listen: pages, live feeds, webhooks."""
