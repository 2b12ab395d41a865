"""Losses: one file per idea. Batch first, logits in, a scalar out."""
