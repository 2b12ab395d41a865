from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from stand_ins import wiped_out

from nnsearch.encoding.candidate_graph import encode
from nnsearch.errors import ConfigError, NNSearchError
from nnsearch.model.graph import AT_MOST_ONE, EXACTLY_ONE
from training.data.families import (
    Colourings,
    Family,
    LatinSquares,
    Queens,
    Sudokus,
    latin_square_pool,
    planted_instances,
    sudoku_pool,
)
from training.data.graph_states import PlantedState
from training.tasks.graph_config import GraphConfig, GraphDataConfig, GraphTrainConfig
from training.tasks.graph_source import prepare_graph_data

FAMILIES: list[Family] = [
    LatinSquares(latin_square_pool((5, 8), 6, 0)),
    Sudokus(sudoku_pool((2,), 6, 0)),
    Queens((6, 8)),
    Colourings((3,)),
]
every_family = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)


def satisfies_all_groups(planted: PlantedState) -> bool:
    """Count what holds in each group, without the propagation."""
    graph = planted.graph
    count = np.bincount(graph.edge_group[planted.holds[graph.edge_candidate]], minlength=graph.num_groups)
    exactly, at_most = graph.group_kind == EXACTLY_ONE, graph.group_kind == AT_MOST_ONE
    assert (exactly | at_most).all()
    return bool((count[exactly] == 1).all() and (count[at_most] <= 1).all())


@every_family
@pytest.mark.parametrize("tight", [True, False])
def test_planted_solutions_are_alive_and_satisfy_all_groups(family: Family, tight: bool) -> None:
    rng = np.random.default_rng(1)
    still_open = 0
    for _ in range(30):
        planted = family.draw(rng, tight)
        assert planted.holds.sum() == planted.graph.num_variables
        assert not (planted.holds & ~planted.alive).any()
        assert satisfies_all_groups(planted)
        assert not wiped_out(planted.graph, planted.alive)
        assert np.array_equal(planted.graph.propagate(planted.alive), planted.alive)
        still_open += encode(planted.graph, planted.alive).num_candidates > 0
    assert still_open > 0


@every_family
def test_a_draw_is_a_function_of_the_generator(family: Family) -> None:
    def drawn(seed: int) -> list[bytes]:
        rng = np.random.default_rng(seed)
        states = [family.draw(rng, tight=bool(i % 2)) for i in range(5)]
        return [array.tobytes() for state in states for array in (state.alive, state.holds)]

    first = drawn(3)
    for seed in (4, 5):
        drawn(seed)  # no state is left behind
    assert drawn(3) == first
    assert drawn(4) != first


def test_pools_are_functions_of_the_seed_and_hold_solutions() -> None:
    for pool, again, other in (
        (latin_square_pool((5,), 5, 1), latin_square_pool((5,), 5, 1), latin_square_pool((5,), 5, 2)),
        (sudoku_pool((2,), 5, 1), sudoku_pool((2,), 5, 1), sudoku_pool((2,), 5, 2)),
    ):
        (size,) = pool
        order = int(len(pool[size][0]) ** 0.5)
        assert pool[size].shape == (5, order**2)
        squares = pool[size].reshape(-1, order, order)
        for lines in (squares, squares.transpose(0, 2, 1)):
            assert (np.sort(lines, axis=2) == np.arange(1, order + 1)).all()
        assert np.array_equal(pool[size], again[size])
        assert not np.array_equal(pool[size], other[size])


def canonical(square: np.ndarray) -> tuple[int, ...]:
    """What renaming values, and permuting rows and columns of a square of order 5 or more rarely changes."""
    order = len(square)
    cycles = []
    for one in range(order):  # cycle lengths of the permutation that takes one row to another
        for two in range(order):
            step = {int(a): int(b) for a, b in zip(square[one], square[two], strict=True)}
            seen: set[int] = set()
            for start in step:
                length = 0
                while start not in seen:
                    seen.add(start)
                    start, length = step[start], length + 1
                cycles.append(length)
    return tuple(sorted(cycles))


def test_training_and_held_out_pools_share_no_solution(tmp_path: Path) -> None:
    config = GraphConfig(
        data=GraphDataConfig(
            latin_squares=(6,), sudokus=(2,), solutions=10, held_out=0.3, validation_states=2, least_candidates=1
        ),
        train=GraphTrainConfig(candidates_per_step=100),
    )
    data = prepare_graph_data(config, tmp_path / "pool.npz")
    training, sudokus = data.families
    assert isinstance(training, LatinSquares)
    assert isinstance(sudokus, Sudokus)
    with np.load(tmp_path / "pool.npz") as arrays:
        pools = {name: arrays[name] for name in arrays.files}
    assert set(pools) == {"latin-square-6", "sudoku-2"}
    for pool, of_training in ((pools["latin-square-6"], training.pool[6]), (pools["sudoku-2"], sudokus.pool[2])):
        assert len(pool) == 10
        assert np.array_equal(pool[:7], of_training)
    seen = {row.tobytes() for row in training.pool[6]}
    assert not any(row.tobytes() in seen for row in pools["latin-square-6"][7:])
    # What is measured on is drawn from the held-out squares alone, whatever the permutation.
    allowed = {canonical(square) for square in pools["latin-square-6"][7:].reshape(-1, 6, 6)}
    trained = {canonical(square) for square in training.pool[6].reshape(-1, 6, 6)}
    mirrored = {canonical(square.T) for square in pools["latin-square-6"][7:].reshape(-1, 6, 6)}
    held_out = LatinSquares({6: pools["latin-square-6"][7:]})
    rng = np.random.default_rng(0)
    drawn = set()
    for _ in range(10):
        planted = held_out.draw(rng, tight=True)
        square = planted.graph.values[np.flatnonzero(planted.holds)].reshape(6, 6)
        drawn.add(canonical(square))
    assert drawn <= allowed | mirrored
    assert not trained <= allowed | mirrored


def test_the_pool_file_is_read_again_and_made_anew_for_other_sizes(tmp_path: Path) -> None:
    def prepared(order: int) -> LatinSquares:
        config = GraphConfig(
            data=GraphDataConfig(latin_squares=(order,), solutions=4, validation_states=1, least_candidates=1)
        )
        (family,) = prepare_graph_data(config, tmp_path / "pool.npz").families
        assert isinstance(family, LatinSquares)
        return family

    first = prepared(5)
    written = (tmp_path / "pool.npz").read_bytes()
    assert np.array_equal(first.pool[5], prepared(5).pool[5])
    assert (tmp_path / "pool.npz").read_bytes() == written
    assert set(prepared(6).pool) == {6}
    assert [path.name for path in tmp_path.iterdir()] == ["pool.npz"]


def test_latin_squares_of_committed_labels_stay_the_same() -> None:
    (instance, solution), *_ = planted_instances("latin-square:7:0.4:2", 9001)
    assert instance.name == "latin-square-7-20-9001-0"
    grid = np.asarray(getattr(instance, "grid"))  # noqa: B009 - the protocol has none
    for array, digest in ((grid, "c58be33b55608765"), (solution, "2eb3d15bca0cc05c")):
        assert hashlib.sha256(array.astype(np.int64).tobytes()).hexdigest()[:16] == digest


@pytest.mark.parametrize("spec", ["latin-square:6:0.4:3", "sudoku:2:.5:3"])
def test_planted_instances_have_their_solution(spec: str) -> None:
    instances = planted_instances(spec, 7)
    assert len(instances) == 3
    share = float(spec.split(":")[2])
    for instance, solution in instances:
        assert instance.is_solution(solution.tolist())
        grid = np.asarray(getattr(instance, "grid")).ravel()  # noqa: B009 - the protocol has none
        assert np.array_equal(grid[grid > 0], solution[grid > 0])
        assert (grid == 0).sum() == round(share * len(grid))
    again = [solution.tolist() for _, solution in planted_instances(spec, 7)]
    assert again == [solution.tolist() for _, solution in instances]
    assert again != [solution.tolist() for _, solution in planted_instances(spec, 8)]


@pytest.mark.parametrize(
    "spec",
    [
        "",
        "latin-square",
        "latin-square:25:0.4",
        "latin-square:25:0.4:5:6",
        "queens:8:0.4:5",
        "latin-square:25:1.4:5",
        "latin-square:25:-0.4:5",
        "latin-square:25:0.4:-5",
        "latin-square:2.5:0.4:5",
        "latin-square:25:nan:5",
        "sudoku:3:0.5:5 ",
        "\nsudoku:3:0.5:5",
    ],
)
def test_a_malformed_spec_is_one_line(spec: str) -> None:
    with pytest.raises(ConfigError, match="expected FAMILY:SIZE:HOLES:COUNT") as caught:
        planted_instances(spec, 0)
    assert len(str(caught.value).splitlines()) == 1


SIZES = ["latin-square:0:0.4:5", "sudoku:0:0.4:5", "sudoku:1:0.5:5", "sudoku:2:0.5:0", "sudoku:2:.0:1"]


@pytest.mark.parametrize("spec", [*SIZES, "latin-square:6:0.4:0"])
def test_sizes_out_of_range_are_one_line(spec: str) -> None:
    with pytest.raises(NNSearchError) as caught:
        planted_instances(spec, 0)
    assert len(str(caught.value).splitlines()) == 1
