"""Where full solutions come from: a sampler of Latin squares, CP-SAT on any model, a user's own file."""
