"""Complete feasible solutions from past ones."""
