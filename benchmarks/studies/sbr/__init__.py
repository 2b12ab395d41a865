"""Study 1: what knowledge in the loss is worth (Silvestri, Lombardi and Milano)."""
