"""Devices that are not there: synthetic signals, recordings and a person who labels.

Everything here talks to the service through `app.client`, as real devices and
people do.
"""
