"""Bridges: devices that do not speak Onset's protocol, and what finds their readings.

A bridge stands outside the service and is a client of it like any device.
"""
