"""Searches in processes of their own, which share one network."""
