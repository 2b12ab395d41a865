from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import pytest
from ortools.sat.python import cp_model
from stand_ins import PATIENCE

from benchmarks.instances.streams import (
    KINDS,
    Stream,
    course_timetables,
    exams,
    find_streams,
    job_shops,
    loads,
    projects,
    rosters,
)
from benchmarks.instances.streams.shift_rosters import shift_roster_model
from benchmarks.instances.zoo import BrokenRuleError
from benchmarks.instances.zoo.packing import (
    bin_packing_model,
    multi_knapsack_model,
    random_bin_packing,
    random_multi_knapsack,
)
from benchmarks.instances.zoo.projects import random_rcpsp, rcpsp_model
from benchmarks.instances.zoo.routing import random_vehicle_routing, vehicle_routing_model
from benchmarks.instances.zoo.shops import job_shop_model
from benchmarks.instances.zoo.timetables import exam_timetable_model, random_exam_timetable
from nnsearch.errors import ConfigError, InstanceError

SMALL: dict[str, Stream[Any]] = {
    **{
        change.__name__: Stream(
            change.__name__, lambda rng: job_shops.random_job_shop(4, 3, rng), change, job_shop_model
        )
        for change in (
            job_shops.change_durations,
            job_shops.add_jobs,
            job_shops.cancel_jobs,
            job_shops.close_a_machine,
        )
    },
    "rcpsp": Stream("rcpsp", lambda rng: random_rcpsp(12, rng), projects.change_project, rcpsp_model),
    "roster": Stream(
        "roster", lambda rng: rosters.random_shift_roster(3, 2, rng), rosters.change_roster, shift_roster_model
    ),
    "rolling": Stream(
        "rolling", lambda rng: rosters.random_shift_roster(3, 2, rng), rosters.roll_roster, shift_roster_model
    ),
    "knapsack": Stream(
        "knapsack", lambda rng: random_multi_knapsack(12, 2, rng), loads.change_knapsack, multi_knapsack_model
    ),
    "bins": Stream("bins", lambda rng: random_bin_packing(20, 50, rng), loads.change_bins, bin_packing_model),
    "tours": Stream(
        "tours", lambda rng: random_vehicle_routing(7, 3, 30, rng), loads.change_tours, vehicle_routing_model
    ),
    "courses": Stream(
        "courses",
        lambda rng: course_timetables.random_course_timetable(8, 3, rng),
        course_timetables.change_courses,
        course_timetables.course_timetable_model,
    ),
    "exams": Stream(
        "exams", lambda rng: random_exam_timetable(10, 6, 3, rng), exams.change_exams, exam_timetable_model
    ),
}
STEPS = 3


def variables(model: cp_model.CpModel) -> list[cp_model.IntVar]:
    return [model.get_int_var_from_proto_index(index) for index in range(len(model.proto.variables))]


def value_in(values: dict[int, int], variable: cp_model.IntVar) -> int:
    return values[variable.index]


def names(stream: Stream[Any], step: int) -> set[str]:
    made = [variable.name for variable in stream.build(step).model.proto.variables]
    assert "" not in made
    assert len(made) == len(set(made))
    return set(made)


def digest(stream: Stream[Any], step: int, seed: int = 1) -> str:
    return hashlib.sha256(str(stream.build(step, seed).model.proto).encode()).hexdigest()


@pytest.mark.parametrize("name", SMALL)
def test_solutions_are_accepted_and_broken_ones_refused(name: str) -> None:
    for step in range(STEPS):
        made = SMALL[name].build(step)
        solver = cp_model.CpSolver()
        solver.parameters.num_workers = 1
        solver.parameters.max_time_in_seconds = PATIENCE
        solver.parameters.stop_after_first_solution = True
        assert solver.status_name(solver.solve(made.model)) in ("OPTIMAL", "FEASIBLE"), step
        assert made.check(solver.value) is not None
        values = {variable.index: solver.value(variable) for variable in variables(made.model)}
        rng, refused = Random(name), 0
        for _ in range(100):
            broken = values | {index: values[other] for index, other in [rng.sample(sorted(values), 2)]}
            broken |= {index: 1 - values[index] for index in rng.sample(sorted(values), 3) if values[index] in (0, 1)}
            try:
                made.check(partial(value_in, broken))
            except BrokenRuleError:
                refused += 1
        assert refused > 0


@pytest.mark.parametrize("name", SMALL)
def test_steps_are_the_same_each_time_and_differ_from_each_other(name: str) -> None:
    stream = SMALL[name]
    made = [digest(stream, step) for step in range(STEPS)]
    assert made == [digest(stream, step) for step in range(STEPS)]
    assert len({*made, *(digest(stream, step, seed=2) for step in range(STEPS))}) == 2 * STEPS


def test_names_stay() -> None:
    for name, stream in SMALL.items():
        before, after = names(stream, 0), names(stream, 1)
        if name == "add_jobs":
            assert before < after
        elif name == "cancel_jobs":
            assert before > after
        elif name == "rolling":
            assert len(before & after) == 3 / 4 * len(before)
        elif name == "exams":  # a conflict has a variable of its own
            assert {n for n in before ^ after if not n.startswith("near")} == set()
        else:
            assert before == after


def test_a_closed_machine_does_nothing() -> None:
    stream = SMALL["close_a_machine"]
    shop = stream.change(stream.first(Random(1)), Random(2))
    [(machine, (begin, _))] = shop.closed
    made = job_shop_model(shop)
    step = [on for on, _ in shop.jobs[0]].index(machine)
    [start] = [variable for variable in variables(made.model) if variable.name == f"start[0,{step}]"]
    far = {variable.index: 1000 * place for place, variable in enumerate(variables(made.model))}
    assert made.check(lambda variable: far[variable.index]) is not None
    alone = job_shop_model(replace(shop, jobs={0: [shop.jobs[0][step]]}))
    with pytest.raises(BrokenRuleError, match="a machine does one thing at a time"):
        alone.check(lambda variable: begin)
    made.model.add(start == begin)
    assert cp_model.CpSolver().solve(made.model) == cp_model.INFEASIBLE


def test_every_kind_has_streams_of_its_name() -> None:
    found = find_streams()
    assert {name.partition("/")[0] for name in found} == {kind for kind in KINDS if not kind.startswith("mip-")}
    assert sum(name.startswith("job-shop") for name in found) == 4 * job_shops.SHOPS
    assert [*find_streams(["knapsack/100x5"])] == ["knapsack/100x5"]
    assert {name.partition("/")[0] for name in find_streams(["roster"])} == {
        "shift-roster",
        "rolling-roster",
        "unrelated",
    }


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"kinds: expected a part of a stream of job-shop-durations, .* got 'golf'"):
        find_streams(["golf"])
    with pytest.raises(ConfigError, match=r"without --instances there are no mip-"):
        find_streams(["mip-bounds"])
    with pytest.raises(ConfigError, match="expected a folder of instances, found none"):
        find_streams(folder=tmp_path / "none")


def test_files_are_read(tmp_path: Path) -> None:
    for folder, name, text in (
        ("job-shop", "tiny.txt", "# a comment\n2 2\n0 3 1 2\n1 4 0 1\n"),
        ("rcpsp", "tiny.sm", psplib(60)),
    ):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_text(text)
    shop = find_streams(["job-shop-durations"], tmp_path)["job-shop-durations/tiny"].first(Random(1))
    assert (shop.machines, shop.jobs) == (2, {0: [(0, 3), (1, 2)], 1: [(1, 4), (0, 1)]})
    project = find_streams(["rcpsp"], tmp_path)["rcpsp/tiny"].first(Random(1))
    assert (project.work[:3], project.need[:2], project.capacity) == ([0, 2, 2], [[1, 0], [1, 0]], [9, 4])
    assert project.before[:2] == [(0, 1), (1, 2)]
    model = cp_model.CpModel()
    for number in range(2):
        model.new_bool_var(f"x{number}")
        (tmp_path / "mipcc23").mkdir(exist_ok=True)
        assert model.export_to_file(str(tmp_path / "mipcc23" / f"obj_i{number}.pb"))
    series = find_streams(["mip-objective"], tmp_path)
    assert [*series] == ["mip-objective/obj_i0", "mip-objective/obj_i1"]
    first = series["mip-objective/obj_i0"]
    assert [len(first.build(step).model.proto.variables) for step in range(3)] == [1, 2, 1]
    with pytest.raises(BrokenRuleError):
        first.build(0).check(lambda variable: 2)


def psplib(tasks: int) -> str:
    lines = [
        "jobs (incl. supersource/sink ):  60",
        "PRECEDENCE RELATIONS:",
        "jobnr.    #modes  #successors   successors",
    ]
    lines += [f"  {t}  1  1  {t + 1}" for t in range(1, tasks)] + [f"  {tasks}  1  0   "]
    lines += ["****", "REQUESTS/DURATIONS:", "jobnr. mode duration  R 1  R 2", "----"]
    lines += [f"  {t}  1  {2 * (t > 1)}  1  0" for t in range(1, tasks + 1)]
    return "\n".join([*lines, "****", "RESOURCEAVAILABILITIES:", "  R 1  R 2", "   9    4", "****"])


def test_malformed_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for text in ("", "2 2\n0 3 1 2\n", "1 2\n0 3 1\n", "1 2\n0 3 5 2\n", "one two"):
        path.write_text(text)
        with pytest.raises(InstanceError, match="expected a job shop of JSPLIB"):
            job_shops.read_job_shop(path)
    for text in ("", psplib(4).replace("REQUESTS", "REQUEST"), psplib(4).replace("   9    4", "   9")):
        path.write_text(text)
        with pytest.raises(InstanceError, match="expected a single-mode project of PSPLIB"):
            projects.read_project(path)
