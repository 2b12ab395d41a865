"""Many models solved side by side, their inferences gathered."""
