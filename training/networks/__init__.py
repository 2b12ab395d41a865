"""Networks: encoder input in, one score per candidate out."""
