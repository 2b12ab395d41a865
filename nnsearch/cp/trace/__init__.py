"""The search tree as a file, and what it tells: a report, a plot, a page that replays it."""
