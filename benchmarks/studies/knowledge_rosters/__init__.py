"""The knowledge-rosters study: what rules in the loss are worth on rosters, by how many past plans there are."""
