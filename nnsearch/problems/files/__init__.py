"""What the readers of all problems share: places in files, JSON lines, grids of numbers."""
