"""Streams: instances of one family that follow each other with changed data, and their independent checkers."""
