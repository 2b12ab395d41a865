"""Simulated annealing on the columns of an integer program, compiled by numba.

numba takes a second to import and to get ready, so only what makes machine code of this imports it.

A move changes a column, and with it the holder of its group. One that would be refused goes on with columns that mend
the rows that it makes worse, as ejection chains do (F. Glover, Ejection chains, reference structures and alternating
path methods, 1996): half of them do, half of these for more than one step, and so on. Where some columns outweigh the
others in their rows, as a place that is open or closed does, some moves change such a hub: columns to which it gives
room change where they gain by that, rows that it makes worse are mended, however many, and if that is refused, another
hub changes the other way, too. A move is accepted as in
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
_TRIES, _TRIES_FOR_HUB = 8, 64  # for a column of a row
_CHOICES = 3  # of which the best one mends a row
_EXCHANGES, _EXCHANGES_FOR_HUB = 4, 64  # of which the best one takes the place of one that mends a row
_HUB_AFTER = 64  # moves, on average, or more if hubs have had their time
_CREDIT = 8  # times what other moves take may hubs take
_MOVES_OF_STEP = 4  # that take as long as a step that comes of a hub
_MOST_RESPONSES = 1024  # that are looked at
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
        columns[column].moved = 0
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
        moves: how many; that of a hub counts as many times as it takes longer.

    Returns:
        1 if there are better values than before, else 0.
    """
    before = state[0].best
    done = 0
    while done < moves:
        state[0].steps += 1
        if state[0].steps % _BLOCK == 0:
            _adapt(program, state)
        if state[0].violated == 0:
            state[0].feasible += 1
        if len(program.hubs) and state[0].credit > 0 and not below(state, _HUB_AFTER):
            took = _move_hub(program, state)
            state[0].credit -= took
            done += took
        else:
            _move(program, state)
            state[0].credit += _CREDIT
            done += 1
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
    """Try to change a column, and take it back if that is refused."""
    links = 1
    while links < _MOST_LINKS and below(state, 2):
        links *= 2
    accepted = _begin_move(program, state)
    column = program.free[below(state, len(program.free))]
    by = _change_at_random(program.columns[column], state)
    choices, price, total = 1, 0.0, 0.0
    for _ in range(links):
        if column == NOTHING:
            break
        is_possible, cost, weight = _step(program, state, column, by, choices)
        if not is_possible:
            break
        price += cost
        total += cost + weight
        if total <= accepted:
            _accept(program, state, price, total)
            return
        column, by = _repair(program, state, _TRIES, 0)
        choices = _EXCHANGES
    _take_back(program, state)


@jit
def _move_hub(program, state):
    """Try to change a hub with all that comes of it, and if that is refused, another one beside it the other way.

    Return how many other moves take as long.
    """
    accepted = _begin_move(program, state)
    price = total = first = 0.0
    took = 0
    for _ in range(2):
        hub = column = program.hubs[below(state, len(program.hubs))]
        by = _change_at_random(program.columns[column], state)
        if by * first > 0 or _is_changed(program, state, column):
            break
        first = by
        took += (program.columns[hub + 1].first - program.columns[hub].first) // 4
        while column != NOTHING:
            is_possible, cost, weight = _step(program, state, column, by, _EXCHANGES_FOR_HUB)
            took += _MOVES_OF_STEP
            if not is_possible:
                break
            price += cost
            total += cost + weight
            if column == hub and total > accepted:
                cost, weight = _respond(program, state, hub, by)
                price += cost
                total += cost + weight
            if total <= accepted:
                _accept(program, state, price, total)
                return took
            column, by = _repair(program, state, _TRIES_FOR_HUB, 1)
    _take_back(program, state)
    return took


@jit
def _begin_move(program, state):
    """Begin a move; return how much it may cost and weigh at most to be accepted."""
    state[0].size = state[0].pending = 0
    state[0].tried += 1
    return max(state[0].precision, state[0].temperature * program.chances[below(state, len(program.chances))])


@jit
def _accept(program, state, price, total):
    """Note what a move that is accepted costs, and what it costs and weighs in total."""
    state[0].uphill += total > state[0].precision
    state[0].current += price
    _note(program, state)


@jit
def _take_back(program, state):
    """Take back all steps of a move."""
    columns, rows = program.columns, program.rows
    while state[0].size:
        state[0].size -= 1
        step = program.steps[state[0].size]
        _apply(program, state, step.column, -step.by)
        group = columns[step.column].group
        if group != NOTHING:
            if step.by < 0:
                rows[group].holder = step.column
            elif rows[group].holder == step.column:
                rows[group].holder = NOTHING


@jit
def _step(program, state, column, by, choices):
    """Change a column, and where need be another one of its group the other way.

    Return whether that is possible, what it costs and what it weighs beside.
    """
    group, other = program.columns[column].group, NOTHING
    if group != NOTHING:
        other = _exchanged(program, state, column, by, choices)
    if other == column or state[0].size + 2 > len(program.steps):
        return False, 0.0, 0.0
    skipped = group if other != NOTHING else NOTHING
    cost, weight = _change(program, state, column, by, skipped)
    if other != NOTHING:
        more, heavier = _change(program, state, other, -by, skipped)
        cost += more
        weight += heavier
    if group != NOTHING:
        program.rows[group].holder = column if by > 0 else other
    return True, cost, weight


@jit
def _respond(program, state, hub, by):
    """Change what gains by a change where a hub that has changed gives room; return the cost and the weight of that."""
    columns, rows = program.columns, program.rows
    cost = weight = 0.0
    first = columns[hub].first
    count = columns[hub + 1].first - first
    offset, looked_at = below(state, count), 0
    for place in range(count):
        term = program.of_columns[first + (offset + place) % count]
        row = rows[term.other]
        is_freer = row.high < 1e300 if term.coefficient * by < 0 else row.low > -1e300
        if not is_freer or _is_violated(row):
            continue
        for other in range(row.first, rows[term.other + 1].first):
            looked_at += 1
            if looked_at > _MOST_RESPONSES:
                return cost, weight
            column = program.of_rows[other].other
            if columns[column].high - columns[column].low != 1 or _is_changed(program, state, column):
                continue
            change = 1.0 if columns[column].value <= columns[column].low else -1.0
            group, holder = columns[column].group, NOTHING
            if group != NOTHING:
                holder = rows[group].holder
                if change < 0 or (holder != NOTHING and _is_changed(program, state, holder)):
                    continue
            total = _worth(program, column, change, group)
            if holder != NOTHING:
                total += _worth(program, holder, -change, group)
            if total < -state[0].precision:
                _, more, heavier = _step(program, state, column, change, 1)
                cost += more
                weight += heavier
    return cost, weight


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
def _repair(program, state, tries, again):
    """Return a column of the last row that was made worse and still is too bad, and by how much to change it.

    It is the best of some at random. No column is a row that none can mend, or that there is no such row. A row that
    comes again is repaired until nothing is too bad, else once.
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
        state[0].pending += again
        first = rows[row].first
        count = rows[row + 1].first - first
        chosen, chosen_by, least, found = NOTHING, 0.0, 1e300, 0
        for _ in range(tries):
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
    return program.columns[column].moved == state[0].steps


@jit
def _exchanged(program, state, column, by, choices):
    """Return the column of a group that changes the other way; NOTHING is none, and the column itself that none can.

    Where there is a choice, it is the best of all, or of some at random if there are more.
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
    for choice in range(min(choices, count)):
        other = program.of_rows[first + (choice if choices >= count else below(state, count))].other
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
    columns[column].moved = state[0].steps
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
