"""Simulated annealing on the columns of an integer program, compiled by numba.

numba takes a second to import and to get ready, so only what makes machine code of this imports it.

A move changes a column, and with it the holder of its group. One that would be refused goes on with columns that mend
the rows that it makes worse, as ejection chains do (F. Glover, Ejection chains, reference structures and alternating
path methods, 1996): half of them do, half of these for more than one step, and so on. A move is accepted as in
S. Kirkpatrick, C. Gelatt, M. Vecchi, Optimization by simulated annealing, 1983, and the temperature follows a rate of
acceptance that is told (J. Lam, J.-M. Delosme, Performance of a new annealing schedule, 1988): so nothing has to be
known of what solutions cost. Rows may be violated on the way, at a weight that grows as long as they are (P. Morris,
The breakout method, 1993), and shrinks while the walk is among solutions.
"""
# mypy: disable-error-code="no-untyped-def, no-untyped-call"

from __future__ import annotations

from nnsearch.annealing.arrays import NOTHING
from nnsearch.compiled.drawing import below, jit

_BLOCK = 2000  # moves after which temperature and weights are set anew
_HOTTER = 1.1
_HEAVIER = 1.1  # of a row that is violated
_ALL_HEAVIER, _ALL_LIGHTER = 1.02, 0.98  # without a solution in a block; with few others
_MOSTLY = 0.9  # of a block
_LARGEST_WEIGHT = 1e9  # of the least
_MOST_LINKS = 32  # of a chain
_TRIES = 8  # for a column of a row
_CHOICES, _EXCHANGES = 3, 4  # of which the best one mends a row; takes the place of one that mends a row
_PRECISE = 1e-6


@jit
def begin(program, state) -> None:
    """Take the values of the columns as they are: sum up rows, what they cost and what they violate.

    A group of which more than one column is 1 keeps one that cannot change, or else the first.
    """
    columns, rows = program.columns, program.rows
    for row in range(len(rows) - 1):
        rows[row].activity = 0.0
        rows[row].holder = NOTHING
    state[0].current = 0.0
    state[0].violated = 0
    state[0].best = 1e300
    for column in range(len(columns) - 1):
        if columns[column].group != NOTHING and columns[column].low > 0.5:
            rows[columns[column].group].holder = column
    for column in range(len(columns) - 1):
        group = columns[column].group
        if group != NOTHING and columns[column].low < 0.5 and columns[column].value > 0.5:
            if rows[group].holder == NOTHING:
                rows[group].holder = column
            else:
                columns[column].value = 0.0
        value = columns[column].value
        state[0].current += columns[column].price * value
        for term in range(columns[column].first, columns[column + 1].first):
            rows[program.of_columns[term].other].activity += program.of_columns[term].coefficient * value
    for row in range(len(rows) - 1):
        missing, over = rows[row].low - rows[row].activity, rows[row].activity - rows[row].high
        if missing > 0 and rows[row].pays_below:
            state[0].current += rows[row].below * missing
        if over > 0 and rows[row].pays_above:
            state[0].current += rows[row].above * over
        state[0].violated += _is_violated(rows[row])
    state[0].is_new = state[0].size = 0
    if state[0].violated == 0:
        state[0].best = state[0].current
        _keep(program, state)


@jit
def try_moves(program, state, moves) -> int:
    """Try moves, at the temperature at which those that cost more are accepted at ``state.uphill_rate``.

    Args:
        program: its values are changed.
        state: of the walk, changed: so it goes on where it has ended.
        moves: how many.

    Returns:
        1 if there are better values than before, else 0.
    """
    before = state[0].best
    for _ in range(moves):
        state[0].steps += 1
        if state[0].steps % _BLOCK == 0:
            _adapt(program, state)
        if state[0].violated == 0:
            state[0].feasible += 1
        _move(program, state)
    if state[0].is_new:
        state[0].size = 0
        _keep(program, state)
    return 1 if state[0].best < before else 0


@jit
def _adapt(program, state):
    """Set the temperature and the weights by what came of the last block."""
    rows = program.rows
    if state[0].uphill < state[0].uphill_rate * max(state[0].tried, 1):
        state[0].temperature = min(state[0].temperature * _HOTTER, state[0].hottest)
    else:
        state[0].temperature /= _HOTTER
    factor = 1.0
    if state[0].feasible == 0:
        factor = _ALL_HEAVIER
    elif state[0].feasible > _MOSTLY * _BLOCK:
        factor = _ALL_LIGHTER
    if factor != 1.0 or state[0].violated > 0:
        for row in range(len(rows) - 1):
            most, least = rows[row].least_weight * _LARGEST_WEIGHT, rows[row].least_weight
            if not rows[row].pays_below:
                more = factor * (_HEAVIER if rows[row].activity < rows[row].low - _PRECISE else 1.0)
                rows[row].below = min(max(rows[row].below * more, least), most)
            if not rows[row].pays_above:
                more = factor * (_HEAVIER if rows[row].activity > rows[row].high + _PRECISE else 1.0)
                rows[row].above = min(max(rows[row].above * more, least), most)
    state[0].uphill = state[0].tried = state[0].feasible = 0


@jit
def _move(program, state):
    """Try a move, and take it back if it is refused."""
    columns, steps = program.columns, program.steps
    column = program.free[below(state, len(program.free))]
    by = _change_at_random(columns[column], state)
    state[0].size = state[0].pending = 0
    links = 1
    while links < _MOST_LINKS and below(state, 2):
        links *= 2
    accepted = max(state[0].precision, state[0].temperature * program.chances[below(state, len(program.chances))])
    state[0].tried += 1
    total = price = 0.0
    for link in range(links):
        if link:
            column, by = _repair(program, state)
            if column == NOTHING:
                break
        group, other = columns[column].group, NOTHING
        if group != NOTHING:
            other = _exchanged(program, state, column, by, _EXCHANGES if link else 1)
            if other == column:
                break
        skipped = group if other != NOTHING else NOTHING
        cost, weight = _change(program, state, column, by, skipped)
        price += cost
        total += cost + weight
        if other != NOTHING:
            cost, weight = _change(program, state, other, -by, skipped)
            price += cost
            total += cost + weight
        if group != NOTHING:
            program.rows[group].holder = column if by > 0 else other
        if total <= accepted:
            state[0].uphill += total > state[0].precision
            state[0].current += price
            _note(program, state)
            return
    while state[0].size:
        state[0].size -= 1
        step = steps[state[0].size]
        _apply(program, state, step.column, -step.by)
        group = columns[step.column].group
        if group != NOTHING:
            if step.by < 0:
                program.rows[group].holder = step.column
            elif program.rows[group].holder == step.column:
                program.rows[group].holder = NOTHING


@jit
def _change_at_random(column, state):
    """Return by how much to change a column: the larger, the less often."""
    span = column.high - column.low
    if span <= 1:
        return 1.0 if column.value <= column.low else -1.0
    largest = span
    for _ in range(below(state, 40)):
        largest = largest * 0.5
        if largest < 2:
            largest = 1.0
            break
    by = 1.0 + below(state, max(1, min(int(largest), 1 << 29)))
    if column.value >= column.high or (column.value > column.low and below(state, 2)):
        return -min(by, column.value - column.low)
    return min(by, column.high - column.value)


@jit
def _repair(program, state):
    """Return a column of the last row that was made worse and still is too bad, and by how much to change it.

    It is the best of some at random. No column is a row that none can mend, or that there is no such row.
    """
    rows = program.rows
    while state[0].pending:
        state[0].pending -= 1
        row = program.pending[state[0].pending]
        if rows[row].activity < rows[row].low - _PRECISE:
            needed = rows[row].low - rows[row].activity
        elif rows[row].activity > rows[row].high + _PRECISE:
            needed = rows[row].high - rows[row].activity
        else:
            continue
        first = rows[row].first
        count = rows[row + 1].first - first
        chosen, chosen_by, least, found = NOTHING, 0.0, 1e300, 0
        for _ in range(_TRIES):
            term = program.of_rows[first + below(state, count)]
            column = program.columns[term.other]
            by = needed / term.coefficient
            by = float(int(by + 0.999999)) if by > 0 else -float(int(0.999999 - by))
            by = min(max(by, column.low - column.value), column.high - column.value)
            if by != 0 and not _is_changed(program, state, term.other):
                total = _worth(program, term.other, by, column.group)
                if column.group != NOTHING and by > 0 and rows[column.group].holder != NOTHING:
                    total += _worth(program, rows[column.group].holder, -by, column.group)
                if total < least:
                    chosen, chosen_by, least = term.other, by, total
                found += 1
                if found == _CHOICES:
                    break
        return chosen, chosen_by
    return NOTHING, 0.0


@jit
def _worth(program, column, by, skipped):
    """Return what a change would cost and weigh, but for one row."""
    total = program.columns[column].price * by
    for place in range(program.columns[column].first, program.columns[column + 1].first):
        term = program.of_columns[place]
        if term.other != skipped:
            row = program.rows[term.other]
            before = row.activity
            after = before + term.coefficient * by
            total += row.below * (max(row.low - after, 0.0) - max(row.low - before, 0.0))
            total += row.above * (max(after - row.high, 0.0) - max(before - row.high, 0.0))
    return total


@jit
def _is_changed(program, state, column):
    for step in range(state[0].size):  # noqa: SIM110 - numba has no any
        if program.steps[step].column == column:
            return True
    return False


@jit
def _exchanged(program, state, column, by, choices):
    """Return the column of a group that changes the other way; NOTHING is none, and the column itself that none can.

    Where there is a choice, it is the best of some at random.
    """
    columns, rows = program.columns, program.rows
    group = columns[column].group
    if by > 0:
        other = rows[group].holder
        return column if other != NOTHING and columns[other].low > 0.5 else other
    if rows[group].low < 0.5 and below(state, 2):
        return NOTHING
    first = rows[group].first
    count = rows[group + 1].first - first
    chosen, least = column, 1e300
    for _ in range(choices):
        other = program.of_rows[first + below(state, count)].other
        if other != column and columns[other].value < columns[other].high:
            total = _worth(program, other, -by, group)
            if total < least:
                chosen, least = other, total
    return chosen


@jit
def _change(program, state, column, by, skipped):
    """Change a column; return what that costs and what it weighs beside. Rows that it makes worse are pending."""
    columns, rows = program.columns, program.rows
    cost, weight = columns[column].price * by, 0.0
    columns[column].value += by
    for place in range(columns[column].first, columns[column + 1].first):
        term = program.of_columns[place]
        row = rows[term.other]
        before = row.activity
        _add(state, row, term.coefficient * by)
        after = row.activity
        missing = max(row.low - after, 0.0) - max(row.low - before, 0.0)
        over = max(after - row.high, 0.0) - max(before - row.high, 0.0)
        if missing != 0.0:
            if row.pays_below:
                cost += row.below * missing
            else:
                weight += row.below * missing
        if over != 0.0:
            if row.pays_above:
                cost += row.above * over
            else:
                weight += row.above * over
        if (missing > 0.0 or over > 0.0) and term.other != skipped and state[0].pending < len(program.pending):
            program.pending[state[0].pending] = term.other
            state[0].pending += 1
    program.steps[state[0].size].column = column
    program.steps[state[0].size].by = by
    state[0].size += 1
    return cost, weight


@jit
def _apply(program, state, column, by):
    """Change a column, whatever it costs."""
    columns, rows = program.columns, program.rows
    columns[column].value += by
    for place in range(columns[column].first, columns[column + 1].first):
        term = program.of_columns[place]
        _add(state, rows[term.other], term.coefficient * by)


@jit
def _add(state, row, amount):
    """Change the activity of a row."""
    was = _is_violated(row)
    row.activity += amount
    state[0].violated += _is_violated(row) - was


@jit
def _is_violated(row):
    """Return 1 where a row is violated that nobody pays for, else 0."""
    if row.activity < row.low - _PRECISE:
        return 0 if row.pays_below else 1
    if row.activity > row.high + _PRECISE:
        return 0 if row.pays_above else 1
    return 0


@jit
def _note(program, state):
    """Note whether the values that there are, after the steps of a move, are the best.

    They are kept when the next move that is no better is made, since one better move often follows another.
    """
    if state[0].violated == 0 and state[0].current < state[0].best - state[0].precision:
        state[0].best = state[0].current
        state[0].is_new = 1
    elif state[0].is_new:
        _keep(program, state)


@jit
def _keep(program, state):
    """Keep the values before the steps of a move as the best ones."""
    for column in range(len(program.columns) - 1):
        program.best[column] = program.columns[column].value
    for step in range(state[0].size):
        program.best[program.steps[step].column] -= program.steps[step].by
    state[0].is_new = 0
