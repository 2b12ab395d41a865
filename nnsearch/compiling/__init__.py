"""Makes machine code; apart from what loads it, since it knows all that is compiled."""
