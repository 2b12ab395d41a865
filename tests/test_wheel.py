import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)],
        check=True,
        capture_output=True,
    )
    (wheel,) = folder.glob("*.whl")
    return zipfile.ZipFile(wheel).namelist()


def test_only_nnsearch_lands_in_site_packages(names: list[str]) -> None:
    top = {name.split("/")[0] for name in names}
    assert {part for part in top if not part.endswith(".dist-info")} == {"nnsearch"}
    assert not [name for name in names if "tests" in name or "training" in name or "benchmarks" in name]


def test_models_and_data_travel_along(names: list[str]) -> None:
    shipped = {f"nnsearch/models/{path.name}" for path in (ROOT / "models").glob("*.onnx")}
    assert shipped
    assert shipped <= set(names)
    assert {"nnsearch/py.typed", "nnsearch/demo.dzn"} <= set(names)
    assert {f"nnsearch/cp/trace/page.{ending}" for ending in ("html", "css", "js")} <= set(names)
