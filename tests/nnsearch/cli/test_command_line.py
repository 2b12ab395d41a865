from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Sequence

import pytest
from stand_ins import ENVIRONMENT, ROOT

DEMO = str(ROOT / "nnsearch" / "demo.dzn")


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        ["nnsearch", "solve", DEMO, "--failure-limit", "1.5"],
        ["training", "pool", "--order", "5.5", "--out", "p.npz"],
        ["benchmarks", "feasibility", "--order", "5", "6.5"],
    ],
    ids=" ".join,
)
def test_a_fraction_is_no_whole_number(words: list[str]) -> None:
    code, out, error = ended(["-m", *words])
    assert (code, out) == (2, "")
    assert f"invalid int value: '{words[-1] if words[-1] != 'p.npz' else '5.5'}'" in error
    assert len(error.splitlines()) == 1


@pytest.mark.parametrize("options", [["--seed", "0x10"], ["--engine", "race", "--workers", "2.9"]], ids=" ".join)
def test_nor_are_other_numbers(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    code, out, error = answered("nnsearch", ["solve", DEMO, *options], capsys)
    assert (code, out) == (2, "")
    assert f"invalid int value: '{options[-1]}'" in error
    assert len(error.splitlines()) == 1


@pytest.mark.parametrize("package", ["nnsearch", "training", "benchmarks"])
def test_a_reader_of_help_may_go_away(package: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", package, "--help"],
        cwd=ROOT,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait(60) == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("program", "words", "imported"),
    [
        ("nnsearch.cli.main", ["models"], "cyclopts"),
        ("nnsearch.cli.main", ["models"], "nnsearch.cli.models"),
        ("training.__main__", ["pool", "--help"], "cyclopts"),
        ("training.__main__", ["pool", "--help"], "training.cli.pool"),
        ("benchmarks.__main__", ["nodes"], "cyclopts"),
        ("benchmarks.__main__", ["study", "sbr"], "benchmarks.studies.sbr.command"),
    ],
)
def test_ctrl_c_while_a_program_imports_is_one_line(program: str, words: list[str], imported: str) -> None:
    interrupting = f"""if True:
        import os, signal, sys
        class Finder:
            def find_spec(self, name, *_):
                if name == {imported!r}:
                    os.kill(os.getpid(), signal.SIGINT)
        sys.meta_path.insert(0, Finder())
        from {program} import main
        sys.exit(main({words!r}))"""
    assert ended(["-c", interrupting]) == (130, "", "interrupted\n")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "missing"), [(["training", "solve", "--models", "covers"], "tqdm"), (["benchmarks", "nodes"], "tqdm")]
)
def test_a_command_without_what_it_needs_is_one_line(words: list[str], missing: str) -> None:
    without = f"import sys; sys.modules[{missing!r}] = None; from {words[0]}.__main__ import main; main({words[1:]!r})"
    code, out, error = ended(["-c", without])
    assert (code, out) == (2, "")
    assert error.startswith(f"error: this command needs {missing}; in the clone: pip install ")
    assert len(error.splitlines()) == 1


def test_an_error_of_our_own_is_not_taken_for_that() -> None:
    broken = (
        "import sys; sys.modules['nnsearch.cli.models'] = None; from nnsearch.cli.main import main; main(['models'])"
    )
    code, _, error = ended(["-c", broken])
    assert code == 1
    assert "Traceback" in error


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["nnsearch"], "the following arguments are required: COMMAND"),
        (["training"], "the following arguments are required: COMMAND"),
        (["benchmarks", "study"], "the following arguments are required: COMMAND"),
        (["training", "pool"], "the following arguments are required: --out"),
        (["benchmarks", "nodes", "--nonsense"], "Unknown option: --nonsense"),
    ],
)
def test_all_programs_refuse_words_alike(words: list[str], line: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, error = answered(words[0], words[1:], capsys)
    assert (code, out) == (2, "")
    assert error.startswith(f"error: {line}")
    assert len(error.splitlines()) == 1


def ended(words: Sequence[str]) -> tuple[int, str, str]:
    done = subprocess.run([sys.executable, *words], cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


def answered(program: str, words: Sequence[str], capsys: pytest.CaptureFixture[str]) -> tuple[object, str, str]:
    """What a program says in this process."""
    capsys.readouterr()
    try:
        code = importlib.import_module("nnsearch.cli.main" if program == "nnsearch" else f"{program}.__main__").main(
            words
        )
    except SystemExit as refused:
        code = refused.code
    said = capsys.readouterr()
    return code, said.out, said.err
