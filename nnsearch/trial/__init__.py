"""Would a learned search help with a model? Tried for a short time, and measured."""
