"""A CP-SAT model, read once: candidates and groups, the objective, and why CP-SAT may refuse it."""
