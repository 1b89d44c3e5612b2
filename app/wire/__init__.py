"""The device protocol without its socket: messages, frames, and the session.

Nothing here waits: bytes and the time of their arrival go in, actions come out, so
the same code serves a FastAPI route, a protocol class, the client and the tests.
"""
