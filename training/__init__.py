"""Solution pools, deconstruction, networks, losses, the trainer, ONNX export: ``python -m training``."""
