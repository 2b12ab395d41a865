"""The seam between learning and solving, and who sits behind it."""
