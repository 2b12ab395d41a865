"""The list of all problem families. A new one is a folder beside this file, and a line here."""

from nnsearch.problems import cp_model, graph_colouring, latin_square, n_queens, sudoku

FAMILIES = {
    family.name: family
    for family in (
        latin_square.FAMILY,
        sudoku.FAMILY,
        n_queens.FAMILY,
        graph_colouring.FAMILY,
        cp_model.FAMILY,
    )
}
"""Every family by its name."""

PROBLEMS = tuple(FAMILIES)
"""The names of all families, as ``--problem`` takes them."""
