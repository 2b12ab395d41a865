"""What can be trained: dense networks of one size, and networks on the candidate graph."""
