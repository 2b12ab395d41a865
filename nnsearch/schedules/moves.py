"""Moves of tasks in a disjunctive graph, and tabu search among them, compiled by numba.

numba takes a second to import and to get ready, so only what makes machine code of this imports it. Functions that
Python calls have no underscore.

A use is a task that takes a resource; uses of a resource are a chain, in the order in which they take it. See E. Balas,
A. Vazacopoulos, Guided local search with shifting bottleneck for job shop scheduling, 1998, for the moves and what they
would lead to, E. Nowicki, C. Smutnicki, A fast taboo search algorithm for the job shop problem, 1996, and C. Zhang,
P. Li, Z. Guan, Y. Rao, A tabu search algorithm with a new neighborhood structure for the job shop scheduling problem,
2007, for the search.
"""
# mypy: disable-error-code="no-untyped-def, no-untyped-call"

from __future__ import annotations

from nnsearch.compiled.drawing import below, jit
from nnsearch.schedules.arrays import BETTER, GOES_ON, NEVER, NOTHING, OUT_OF_MOVES

_REACH = 30  # tasks of a stretch
_TENURE = 10  # moves for which two tasks keep their order at least
_LONGEST_TENURE = 14
_STUCK = 50  # longest paths in a row without a move
_SPREAD = 2654435761  # multiplies a number so that neighbours lie far from each other (D. Knuth)


@jit
def settle(graph) -> bool:
    """Bring the order of tasks, heads and tails up to date with all chains; false where tasks wait for each other."""
    if not _sort(graph, 0, len(graph.places) - 1):
        return False
    _pass_forward(graph, 0)
    _pass_backward(graph, len(graph.places) - 1)
    return True


@jit
def longest(graph) -> int:
    """Return the length of the longest path."""
    length = NEVER
    for task in graph.ending:
        length = max(length, graph.tasks[task].head + graph.tasks[task].least_tail)
    return length


@jit
def move_at_random(graph, state, count) -> None:
    """Make moves at random.

    Args:
        graph: it is changed.
        state: of the search.
        count: how many, at most.
    """
    for _ in range(count):
        moves = _find_moves(graph, state)
        if moves:
            move = graph.moves[below(state, moves)]
            _make(graph, move.first, move.last, move.later)


@jit
def improve(graph, keeps, state, best, work) -> int:
    """Search until the longest path is shorter than the best one before, or until much work is done.

    Args:
        graph: it is changed.
        keeps: int64[power of two]; at the number of a pair of uses, up to which move the one stays before the other.
            Numbers may be the same, which forbids some moves more than it should.
        state: of the search, changed: so it goes on where it has ended.
        best: length.
        work: in tasks that are looked at. The move in which it is done is made to its end.

    Returns:
        ``BETTER``, ``GOES_ON``, or ``OUT_OF_MOVES``.
    """
    state[0].work = 0
    while state[0].work < work:
        state[0].number += 1
        moves = _find_moves(graph, state)
        for place in range(moves):
            move = graph.moves[place]
            move.forbidden = move.length >= best and _undoes(graph, move, keeps, state[0].number)
        made = False
        while moves and not made:
            chosen = _choose(graph, state, moves)
            move = graph.moves[chosen]
            state[0].work += len(graph.places)
            made = _make(graph, move.first, move.last, move.later)
            if made:
                _keep(graph, move, keeps, state)
            else:
                moves -= 1
                graph.moves[chosen] = graph.moves[moves]
        state[0].stuck = 0 if made else state[0].stuck + 1
        if state[0].stuck == _STUCK:
            return OUT_OF_MOVES
        if made and longest(graph) < best:
            return BETTER
    return GOES_ON


@jit
def _choose(graph, state, moves):
    """Return a shortest one of the open moves, or any one where none is open."""
    chosen, equals = NOTHING, 0
    for place in range(moves):
        move = graph.moves[place]
        if not move.forbidden:
            if chosen == NOTHING or move.length < graph.moves[chosen].length:
                chosen, equals = place, 1
            elif move.length == graph.moves[chosen].length:
                equals += 1
                if below(state, equals) == 0:
                    chosen = place
    return below(state, moves) if chosen == NOTHING else chosen


@jit
def _undoes(graph, move, keeps, number):
    """Tell whether a move exchanges two tasks that are to keep their order."""
    uses, last = graph.uses, len(keeps) - 1
    use = uses[move.first].following if move.later else move.first
    for _ in range(move.size - 1):
        one, other = (move.first, use) if move.later else (use, move.last)
        if keeps[(one * _SPREAD + other) & last] >= number:
            return True
        use = uses[use].following
    return False


@jit
def _keep(graph, move, keeps, state):
    """Note which tasks a move, which is made, has exchanged."""
    uses, last = graph.uses, len(keeps) - 1
    until = state[0].number + _TENURE + below(state, _LONGEST_TENURE - _TENURE + 1)
    use = move.first if move.later else move.last
    for _ in range(move.size - 1):
        use = uses[use].last if move.later else uses[use].following
        one, other = (use, move.first) if move.later else (move.last, use)
        keeps[(one * _SPREAD + other) & last] = until


@jit
def _pass_forward(graph, first):
    """Bring the heads up to date from a place in the order on."""
    tasks, uses, before = graph.tasks, graph.uses, graph.before
    for place in range(first, len(graph.places)):
        task = graph.places[place].task
        head = tasks[task].least
        for arc in range(tasks[task].first_before, tasks[task + 1].first_before):
            head = max(head, tasks[before[arc].task].head + before[arc].weight)
        for use in range(tasks[task].first_use, tasks[task + 1].first_use):
            if uses[use].last != NOTHING:
                other = uses[uses[use].last].task
                head = max(head, tasks[other].head + tasks[other].duration)
        tasks[task].head = head


@jit
def _pass_backward(graph, last):
    """Bring the tails up to date from a place in the order back."""
    tasks, uses, after = graph.tasks, graph.uses, graph.after
    for place in range(last, -1, -1):
        task = graph.places[place].task
        tail = tasks[task].least_tail
        for arc in range(tasks[task].first_after, tasks[task + 1].first_after):
            tail = max(tail, tasks[after[arc].task].tail + after[arc].weight)
        for use in range(tasks[task].first_use, tasks[task + 1].first_use):
            if uses[use].following != NOTHING:
                tail = max(tail, tasks[uses[uses[use].following].task].tail + tasks[task].duration)
        tasks[task].tail = tail


@jit
def _find_path(graph, state, length):
    """Write the tasks of a longest path, any of them, to the places' ``path``; return how many they are."""
    tasks, places, uses, before = graph.tasks, graph.places, graph.uses, graph.before
    equals, task = 0, NOTHING
    for other in graph.ending:
        if tasks[other].head + tasks[other].least_tail == length:
            equals += 1
            if below(state, equals) == 0:
                task = other
    size = 0
    while task != NOTHING:
        places[size].path = task
        size += 1
        head, holder, equals = tasks[task].head, NOTHING, 0
        for arc in range(tasks[task].first_before, tasks[task + 1].first_before):
            if tasks[before[arc].task].head + before[arc].weight == head:
                equals += 1
                if below(state, equals) == 0:
                    holder = before[arc].task
        for use in range(tasks[task].first_use, tasks[task + 1].first_use):
            if uses[use].last != NOTHING:
                other = uses[uses[use].last].task
                if tasks[other].head + tasks[other].duration == head:
                    equals += 1
                    if below(state, equals) == 0:
                        holder = other
        task = holder
    for place in range(size // 2):
        task = places[place].path
        places[place].path = places[size - 1 - place].path
        places[size - 1 - place].path = task
    return size


@jit
def _find_moves(graph, state):
    """Write the moves that may make a longest path shorter to ``graph.moves``; return how many they are.

    A task is moved behind the last one or before the first one of its block, the stretch of the path on one resource,
    and the first two and the last two are exchanged.
    """
    tasks, places, uses = graph.tasks, graph.places, graph.uses
    path = _find_path(graph, state, longest(graph))
    state[0].work += path + len(graph.ending)
    count, size, first, last = 0, 1, NOTHING, NOTHING  # size, and first and last use, of a block
    for place in range(1, path + 1):
        follows = NOTHING
        if place < path:
            task = places[place - 1].path
            for use in range(tasks[task].first_use, tasks[task + 1].first_use):
                after = uses[use].following
                if follows == NOTHING and after != NOTHING and uses[after].task == places[place].path:
                    follows = use
        if follows != NOTHING and follows == last:
            last = uses[last].following
            size += 1
        else:
            count = _find_block_moves(graph, state, count, size, first, last)
            size, first, last = 1, NOTHING, NOTHING
            if follows != NOTHING:
                size, first, last = 2, follows, uses[follows].following
    return count


@jit
def _find_block_moves(graph, state, count, size, first, last):
    """Write the moves of one block, of some tens of tasks at most; return how many moves there are now."""
    near, far = first, first
    for number in range(1, size):
        near, far = far, graph.uses[far].following
        for kind in range(3):
            move = graph.moves[count]
            if kind == 0:
                fits = number == 1 and size > 2
                move.first, move.last, move.size, move.later = first, far, 2, 1
            elif kind == 1:
                fits = size - number < _REACH
                move.first, move.last, move.size, move.later = near, last, size - number + 1, 1
            else:
                fits = 2 <= number < _REACH
                move.first, move.last, move.size, move.later = first, far, number + 1, 0
            if fits and not _leads_back(graph, move.first, move.last, move.later):
                state[0].mark += 1
                state[0].work += move.size
                move.length = _estimated(graph, move.first, move.last, move.later, state[0].mark)
                count += 1
    return count


@jit
def _leads_back(graph, first, last, later):
    """Tell whether the task that is moved may wait for those that it is moved across, by its arcs."""
    tasks, uses, before, after = graph.tasks, graph.uses, graph.before, graph.after
    one, other = uses[first].task, uses[last].task
    if later:
        end, tail = tasks[other].head + tasks[other].duration, tasks[other].tail
        for arc in range(tasks[one].first_after, tasks[one + 1].first_after):
            behind = after[arc].task
            if tasks[behind].head < end and tasks[behind].tail > tail:
                return True
        return False
    end = tasks[one].head + tasks[one].duration
    for arc in range(tasks[other].first_before, tasks[other + 1].first_before):
        if tasks[before[arc].task].head + before[arc].weight > end:
            return True
    return False


@jit
def _estimated(graph, first, last, later, mark):
    """Return the length of the longest path through one of the tasks of a stretch in another order.

    What lies behind them keeps its tails, so that it is an estimate. Tasks that have the mark have a ``begin`` in the
    new order.
    """
    tasks, uses, before, after = graph.tasks, graph.uses, graph.before, graph.after
    ready = NEVER
    if uses[first].last != NOTHING:
        other = uses[uses[first].last].task
        ready = tasks[other].head + tasks[other].duration
    use = uses[first].following if later else last
    end = first if later else uses[last].last
    while True:
        task = uses[use].task
        head = max(tasks[task].least, ready)
        for arc in range(tasks[task].first_before, tasks[task + 1].first_before):
            other = before[arc].task
            time = tasks[other].begin if tasks[other].mark == mark else tasks[other].head
            head = max(head, time + before[arc].weight)
        for also in range(tasks[task].first_use, tasks[task + 1].first_use):
            if also != use and uses[also].last != NOTHING:
                other = uses[uses[also].last].task
                time = tasks[other].begin if tasks[other].mark == mark else tasks[other].head
                head = max(head, time + tasks[other].duration)
        tasks[task].begin = head
        tasks[task].mark = mark
        ready = head + tasks[task].duration
        if use == end:
            break
        use = first if use == last else uses[use].following
    follows, length = NEVER, NEVER
    if uses[last].following != NOTHING:
        follows = tasks[uses[uses[last].following].task].tail
    use = end
    end = uses[first].following if later else last
    while True:
        task = uses[use].task
        tail = max(tasks[task].least_tail, follows + tasks[task].duration)
        for arc in range(tasks[task].first_after, tasks[task + 1].first_after):
            tail = max(tail, tasks[after[arc].task].tail + after[arc].weight)
        for also in range(tasks[task].first_use, tasks[task + 1].first_use):
            if also != use and uses[also].following != NOTHING:
                tail = max(tail, tasks[uses[uses[also].following].task].tail + tasks[task].duration)
        length = max(length, tasks[task].begin + tail)
        follows = tail
        if use == end:
            break
        use = last if use == first else uses[use].last
    return length


@jit
def _make(graph, first, last, later):
    """Move the first of a stretch behind its last, or the last before its first.

    Returns:
        False, with nothing changed, where tasks would wait for each other then.
    """
    tasks, uses = graph.tasks, graph.uses
    begin, end = tasks[uses[first].task].place, tasks[uses[last].task].place
    second, last_but_one = uses[first].following, uses[last].last
    if later:
        _put_behind(graph, first, last)
    else:
        _put_before(graph, last, first)
    if not _sort(graph, begin, end):
        if later:
            _put_before(graph, first, second)
        else:
            _put_behind(graph, last, last_but_one)
        return False
    _pass_forward(graph, begin)
    _pass_backward(graph, end)
    return True


@jit
def _put_behind(graph, use, other):
    _link(graph, graph.uses[use].last, graph.uses[use].following)
    _link(graph, use, graph.uses[other].following)
    _link(graph, other, use)


@jit
def _put_before(graph, use, other):
    _link(graph, graph.uses[use].last, graph.uses[use].following)
    _link(graph, graph.uses[other].last, use)
    _link(graph, use, other)


@jit
def _link(graph, one, other):
    if one != NOTHING:
        graph.uses[one].following = other
    if other != NOTHING:
        graph.uses[other].last = one


@jit
def _sort(graph, first, last):
    """Bring the tasks from one place in the order to another into a topological one; false where there is none."""
    tasks, places = graph.tasks, graph.places
    for place in range(first, last + 1):
        tasks[places[place].task].waits = 0
    more, count, done = 1, 0, 0
    for place in range(first, last + 1):
        count = _count_waits(graph, places[place].task, first, last, more, count)
    for place in range(first, last + 1):
        if tasks[places[place].task].waits == 0:
            places[count].sorted = places[place].task
            count += 1
    more = -1
    while done < count:
        count = _count_waits(graph, places[done].sorted, first, last, more, count)
        done += 1
    if count <= last - first:
        return False
    for place in range(count):
        task = places[place].sorted
        places[first + place].task = task
        tasks[task].place = first + place
    return True


@jit
def _count_waits(graph, task, first, last, more, count):
    """Count that those that follow a task wait for one more, or for one less: for none, they are the next sorted."""
    tasks, uses, after = graph.tasks, graph.uses, graph.after
    arcs = tasks[task + 1].first_after - tasks[task].first_after
    for number in range(arcs + tasks[task + 1].first_use - tasks[task].first_use):
        if number < arcs:
            other = after[tasks[task].first_after + number].task
        else:
            use = uses[tasks[task].first_use + number - arcs].following
            other = uses[use].task if use != NOTHING else task
        if other != task and first <= tasks[other].place <= last:
            tasks[other].waits += more
            if tasks[other].waits == 0:
                graph.places[count].sorted = other
                count += 1
    return count
