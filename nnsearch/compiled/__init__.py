"""What is compiled: made machine code of once on a machine, and loaded in each process."""
