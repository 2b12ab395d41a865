"""The tasks of the study."""
