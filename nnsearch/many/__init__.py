"""Many models solved side by side, in one process or several, their inferences gathered."""
