"""Where examples, states and exact labels come from."""
