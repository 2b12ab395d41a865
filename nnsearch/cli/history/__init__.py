"""``nnsearch history``."""

from __future__ import annotations

from nnsearch.cli.command_line import command_line
from nnsearch.cli.history.adding import add_solutions
from nnsearch.cli.history.exporting import export_solve
from nnsearch.cli.history.listing import list_store, show_solve
from nnsearch.cli.history.replaying import replay_store
from nnsearch.cli.history.retention import prune_store

app = command_line("history", "List, show, add, export, prune and replay past solves.")
app.command(list_store, name="list")
app.command(show_solve, name="show")
app.command(add_solutions, name="add")
app.command(export_solve, name="export")
app.command(prune_store, name="prune")
app.command(replay_store, name="replay")
