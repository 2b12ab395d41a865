"""Encoders: the state of a search as network input, batch first."""
