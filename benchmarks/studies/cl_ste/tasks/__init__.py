"""The tasks of the study, and the networks that learn them."""
