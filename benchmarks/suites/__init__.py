"""The suites: what a measurement is, and the table that it ends in."""
