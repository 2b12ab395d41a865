"""The encoding of a search state as the graph of a model's items and rows, with coefficients and an objective."""
