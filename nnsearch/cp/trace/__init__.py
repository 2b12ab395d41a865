"""The search tree as a file, and what it tells: a report, and a page that replays it."""
