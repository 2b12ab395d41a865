"""Simulated annealing on integer programs."""
