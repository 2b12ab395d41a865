"""The preferences study: what a history says of what its planner likes, as an objective and as an order of values."""
