from __future__ import annotations

import copy
from itertools import product

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from nnsearch.encoding.candidate_graph import GraphState, disjoint_union, encode
from nnsearch.model.graph import AT_LEAST_ONE, AT_MOST_ONE, EXACTLY_ONE, KINDS, CandidateGraph
from nnsearch.problems.latin_square.problem import LatinSquare
from training.data.graph_states import tensor_inputs
from training.networks.belief_propagation import BeliefPropagation, NeuralBeliefPropagation

FloatArray = npt.NDArray[np.float32]
Groups = list[tuple[int, list[int]]]
"""(kind, candidates) of each group."""

NETWORKS = {
    "bp": BeliefPropagation(),
    "untrained": NeuralBeliefPropagation(blocks=3, hidden=8),
}


def trained(reads_place: bool = True) -> NeuralBeliefPropagation:
    """A network whose corrections are not 0."""
    torch.manual_seed(0)
    network = NeuralBeliefPropagation(blocks=3, hidden=8, reads_place=reads_place)
    for parameter in network.parameters():
        if not parameter.any():
            nn.init.normal_(parameter, std=0.5)
    return network


NETWORKS["trained"] = trained()
every_network = pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)


def state_of(groups: Groups, num_candidates: int) -> GraphState:
    edges = [(candidate, group) for group, (_, members) in enumerate(groups) for candidate in members]
    table = np.array(edges, dtype=np.int64).reshape(-1, 2)
    return GraphState(
        table[:, 0],
        table[:, 1],
        np.eye(len(KINDS), dtype=np.float32)[[kind for kind, _ in groups]],
        np.linspace(0, 1, num_candidates, dtype=np.float32)[:, None],
        np.arange(num_candidates),
        np.zeros(num_candidates, dtype=np.int64),
    )


def scores(network: nn.Module, state: GraphState) -> FloatArray:
    arrays = (state.edge_candidate, state.edge_group, state.group_features, state.candidate_features)
    with torch.inference_mode():
        result: Tensor = network(*map(torch.from_numpy, arrays))
    assert result.dtype == torch.float32
    return result.numpy()


def log_odds(groups: Groups, num_candidates: int) -> FloatArray:
    """Of each candidate over all assignments that satisfy the groups, by enumeration."""
    worlds = np.array(list(product((0, 1), repeat=num_candidates)))
    for kind, members in groups:
        count = worlds[:, members].sum(axis=1)
        worlds = worlds[count == 1 if kind == EXACTLY_ONE else count <= 1]
    held = worlds.sum(axis=0)
    odds: FloatArray = np.log(held / (len(worlds) - held))
    return odds


TREES: dict[str, tuple[Groups, int]] = {
    "one-exactly-one": ([(EXACTLY_ONE, [0, 1, 2, 3])], 4),
    "one-at-most-one": ([(AT_MOST_ONE, [0, 1, 2])], 3),
    "two-apart": ([(EXACTLY_ONE, [0, 1]), (AT_MOST_ONE, [2, 3, 4])], 5),
    "chain": ([(EXACTLY_ONE, [0, 1, 2]), (EXACTLY_ONE, [2, 3, 4]), (EXACTLY_ONE, [4, 5, 6])], 7),
    "mixed-chain": (
        [(EXACTLY_ONE, [0, 1, 2]), (AT_MOST_ONE, [2, 3]), (EXACTLY_ONE, [3, 4, 5]), (AT_MOST_ONE, [5, 6])],
        7,
    ),
    "star": ([(EXACTLY_ONE, [0, 1, 2]), *((AT_MOST_ONE, [i, 2 * i + 3, 2 * i + 4]) for i in range(3))], 9),
    "three-groups-of-one": ([(EXACTLY_ONE, [0, 1, 2]), (AT_MOST_ONE, [0, 3, 4]), (EXACTLY_ONE, [0, 5, 6])], 7),
}


@pytest.mark.parametrize("tree", TREES.values(), ids=TREES)
@pytest.mark.parametrize("damping", [0.0, 0.5])
def test_exact_on_trees(tree: tuple[Groups, int], damping: float) -> None:
    groups, size = tree
    got = scores(BeliefPropagation(iterations=60, damping=damping), state_of(groups, size))
    np.testing.assert_allclose(got, log_odds(groups, size), atol=2e-4)


@st.composite
def trees(draw: st.DrawFn) -> tuple[Groups, int]:
    """Groups that share one candidate with those before, at most."""
    size = draw(st.integers(2, 4))
    groups: Groups = [(EXACTLY_ONE, list(range(size)))]
    while len(groups) < 4 and size < 10:
        fresh = draw(st.integers(1, 3))
        shared = draw(st.integers(0, size - 1))
        groups.append((draw(st.sampled_from([EXACTLY_ONE, AT_MOST_ONE])), [shared, *range(size, size + fresh)]))
        size += fresh
    return groups, size


@settings(max_examples=50)
@given(trees())
def test_exact_on_random_trees(tree: tuple[Groups, int]) -> None:
    groups, size = tree
    expected = log_odds(groups, size)
    got = scores(BeliefPropagation(iterations=80), state_of(groups, size))
    np.testing.assert_allclose(got, expected, atol=1e-3)


def test_nothing_is_known_without_groups() -> None:
    assert scores(BeliefPropagation(), state_of([], 3)).tolist() == [0, 0, 0]
    assert scores(BeliefPropagation(), state_of([(AT_MOST_ONE, [0, 1])], 3))[2] == 0


def test_a_candidate_that_is_alone_in_its_group_holds() -> None:
    got = scores(BeliefPropagation(), state_of([(EXACTLY_ONE, [0]), (EXACTLY_ONE, [0, 1]), (AT_MOST_ONE, [0, 2])], 3))
    assert got[0] > 10
    assert (got[1:] < -10).all()


@st.composite
def graphs(draw: st.DrawFn) -> GraphState:
    """Any groups of any kinds, loops included."""
    size = draw(st.integers(1, 10))
    members = st.lists(st.integers(0, size - 1), min_size=1, unique=True)
    return state_of(draw(st.lists(st.tuples(st.integers(0, len(KINDS) - 1), members), min_size=1, max_size=8)), size)


@settings(max_examples=50)
@given(graphs())
def test_other_kinds_say_nothing(state: GraphState) -> None:
    kinds = state.group_features.argmax(axis=1)
    groups = [(kind, state.edge_candidate[state.edge_group == g].tolist()) for g, kind in enumerate(kinds.tolist())]
    kept = [group for group in groups if group[0] < AT_LEAST_ONE]
    network = BeliefPropagation(iterations=7)
    expected = scores(network, state_of(kept, state.num_candidates))
    np.testing.assert_allclose(scores(network, state), expected, rtol=1e-5, atol=1e-5)


@every_network
@settings(max_examples=30)
@given(graphs(), st.integers(0, 2**32))
def test_a_permutation_permutes_the_scores(network: nn.Module, state: GraphState, seed: int) -> None:
    rng = np.random.default_rng(seed)
    candidates, groups = rng.permutation(state.num_candidates), rng.permutation(len(state.group_features))
    edges = rng.permutation(len(state.edge_group))
    permuted = GraphState(
        np.argsort(candidates)[state.edge_candidate[edges]],
        np.argsort(groups)[state.edge_group[edges]],
        state.group_features[groups],
        state.candidate_features[candidates],
        state.candidate[candidates],
        state.identity[candidates],
    )
    # In double precision: in single, sums in another order differ by up to .03 once messages saturate.
    exact = copy.deepcopy(network).double()
    expected, got = (
        exact(*(t.double() if t.is_floating_point() else t for t in tensor_inputs(one, torch.device("cpu"))))
        for one in (state, permuted)
    )
    np.testing.assert_allclose(got.detach().numpy(), expected.detach().numpy()[candidates], rtol=1e-6, atol=1e-6)


@every_network
@settings(max_examples=30)
@given(st.lists(graphs(), min_size=1, max_size=4))
def test_a_union_is_scored_as_its_states_one_by_one(network: nn.Module, states: list[GraphState]) -> None:
    expected = np.concatenate([scores(network, state) for state in states])
    np.testing.assert_allclose(scores(network, disjoint_union(states)), expected, rtol=1e-4, atol=1e-4)


@settings(max_examples=30)
@given(graphs(), st.integers(1, 5), st.integers(1, 4), st.sampled_from([0.0, 0.5, 0.9]), st.booleans())
def test_untrained_it_orders_as_belief_propagation(
    state: GraphState, blocks: int, iterations: int, damping: float, reads_place: bool
) -> None:
    network = NeuralBeliefPropagation(blocks, iterations, 4, damping, reads_place)
    belief = scores(BeliefPropagation(blocks * iterations, damping), state)
    got = scores(network, state)
    order = np.argsort(belief)
    assert (np.diff(got[order]) >= 0).all()  # large beliefs are squashed
    small = np.abs(belief) < 1
    np.testing.assert_allclose(got[small], belief[small], atol=0.01)


def test_blocks_are_scored_one_by_one() -> None:
    network = trained()
    state = encode(graph := CandidateGraph.from_model(LatinSquare(4).build()[0]), np.ones(64, dtype=bool))
    tensors = [
        torch.from_numpy(array)
        for array in (state.edge_candidate, state.edge_group, state.group_features, state.candidate_features)
    ]
    with torch.inference_mode():
        every = network.all_blocks(*tensors)
    assert [tuple(one.shape) for one in every] == [(graph.num_candidates,)] * 3
    for number, one in enumerate(every, start=1):
        network.blocks = number
        np.testing.assert_array_equal(scores(network, state), one.numpy())


def test_values_are_mere_names_unless_places_are_read() -> None:
    state = encode(CandidateGraph.from_model(LatinSquare(4).build()[0]), np.ones(64, dtype=bool))
    blind, seeing = (scores(trained(reads_place), state).reshape(16, 4) for reads_place in (False, True))
    np.testing.assert_allclose(blind, np.repeat(blind[:, :1], 4, axis=1), rtol=1e-4, atol=1e-4)
    assert np.ptp(seeing, axis=1).min() > 1e-3


@settings(max_examples=15)
@given(graphs(), st.sampled_from([0.0, 0.5]))
def test_scores_are_finite_however_long_it_runs(state: GraphState, damping: float) -> None:
    assert np.isfinite(scores(BeliefPropagation(200, damping), state)).all()
    network = trained()
    network.blocks = 40
    assert np.isfinite(scores(network, state)).all()


def test_gradients_are_finite() -> None:
    contradiction = state_of([(EXACTLY_ONE, [0]), (EXACTLY_ONE, [1]), (AT_MOST_ONE, [0, 1]), (AT_LEAST_ONE, [1, 2])], 3)
    for state in (
        contradiction,
        encode(CandidateGraph.from_model(LatinSquare(4).build()[0]), np.ones(64, dtype=bool)),
    ):
        network = trained()
        arrays = (state.edge_candidate, state.edge_group, state.group_features, state.candidate_features)
        every = network.all_blocks(*map(torch.from_numpy, arrays))
        torch.autograd.backward(torch.stack(every).square().mean())
        gradients = {name: parameter.grad for name, parameter in network.named_parameters()}
        assert all(gradient is not None and gradient.isfinite().all() for gradient in gradients.values())
        assert any(gradient is not None and gradient.abs().max() > 0 for gradient in gradients.values())


def test_names_matter_only_to_a_network_that_knows_some() -> None:
    graph = CandidateGraph.from_model(LatinSquare(4).build()[0])
    named = encode(graph.identified({"x[0,0]": [1, 2, 3, 4]}), np.ones(64, dtype=bool))
    torch.manual_seed(0)
    network = NeuralBeliefPropagation(blocks=3, hidden=8, identities=4)
    arrays = (named.edge_candidate, named.edge_group, named.group_features, named.candidate_features)
    tensors = list(map(torch.from_numpy, arrays))
    identity = torch.from_numpy(named.identity)
    with torch.inference_mode():
        unknown = network(*tensors, torch.zeros_like(identity))
        assert torch.equal(network(*tensors, identity), unknown)  # before training
        assert network.known is not None
        network.known.weight[2] = 1.0
        assert torch.equal(network(*tensors, torch.zeros_like(identity)), unknown)
        assert torch.equal(network(*tensors), unknown)
        assert network(*tensors, identity)[:4].argmax() == 1


def test_an_empty_state() -> None:
    for network in NETWORKS.values():
        assert scores(network, state_of([], 0)).shape == (0,)
