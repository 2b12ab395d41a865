"""Schedules in a model: what is done when and where, and complete schedules from an order."""
