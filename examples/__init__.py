"""Complete programs that run as they are, one for each way to use nnsearch."""
