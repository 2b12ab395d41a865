"""What runs beside CP-SAT in a race: a past solution, a scorer that leads, a depth-first search."""
