"""How long work runs: processes, checkpoints, folders, machines."""
