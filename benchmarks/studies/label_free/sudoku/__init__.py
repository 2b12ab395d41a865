"""Sudokus from their rules alone: clause loss on the candidate graph, never a solution."""
