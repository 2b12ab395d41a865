"""Learned search and CP-SAT side by side."""
