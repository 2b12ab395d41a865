"""Problem families. Each builds a ``cp_model.CpModel``; there is no modelling layer of our own."""
