"""What is solved in the suites."""
