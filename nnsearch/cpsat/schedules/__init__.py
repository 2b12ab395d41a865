"""A search of schedules by the order of their tasks."""
