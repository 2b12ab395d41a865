"""What a scorer that is asked once, before the search, adds to a model of CP-SAT."""
