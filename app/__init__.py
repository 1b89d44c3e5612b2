"""Onset: device streams in, labelled events out, by a model that stays fresh."""

__version__ = "0.1.0"
