"""Studies: published experiments, repeated with this project's parts. One package per study."""
