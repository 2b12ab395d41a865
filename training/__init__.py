"""Training: solution pools, deconstruction, networks, losses, the trainer, ONNX export. Run as ``python -m training``."""
