from __future__ import annotations

import ctypes
import subprocess
from pathlib import Path

import pytest
from stand_ins import COMMAND, ENVIRONMENT, network, saved

from nnsearch.cli.main import main
from nnsearch.errors import ModelFileError
from nnsearch.inference import providers
from nnsearch.inference.providers import CPU, CUDA, TENSORRT, choose_providers, gpu_count, tensorrt_loads

without_gpu = pytest.mark.skipif(gpu_count() > 0, reason="a GPU is there")


@pytest.fixture
def preloaded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    calls: list[str] = []
    monkeypatch.setattr("onnxruntime.preload_dlls", lambda: calls.append("preloaded"))
    return calls


def machine(monkeypatch: pytest.MonkeyPatch, *, built: bool, gpus: int) -> None:
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: [TENSORRT, CUDA, CPU] if built else [CPU])
    monkeypatch.setattr(providers, "gpu_count", lambda: gpus)


@pytest.mark.parametrize("built", [False, True])
@pytest.mark.parametrize("gpus", [0, 2])
def test_auto_takes_the_gpu_where_there_is_one(
    monkeypatch: pytest.MonkeyPatch, preloaded: list[str], built: bool, gpus: int
) -> None:
    machine(monkeypatch, built=built, gpus=gpus)
    usable = built and gpus > 0
    assert choose_providers("auto") == ([CUDA, CPU] if usable else [CPU])
    assert preloaded == ["preloaded"] * usable
    assert choose_providers("cpu") == [CPU]
    assert preloaded == ["preloaded"] * usable  # nothing of CUDA is touched for the CPU


@pytest.mark.parametrize(
    ("built", "gpus", "reason"),
    [
        (True, 0, "no GPU is visible to the NVIDIA driver"),
        (False, 2, "this ONNX Runtime has no CUDA provider"),
        (False, 0, "this ONNX Runtime has no CUDA provider"),
    ],
)
def test_cuda_where_there_is_none_is_refused(
    monkeypatch: pytest.MonkeyPatch, preloaded: list[str], built: bool, gpus: int, reason: str
) -> None:
    machine(monkeypatch, built=built, gpus=gpus)
    with pytest.raises(ModelFileError) as caught:
        choose_providers("cuda")
    assert str(caught.value) == f"expected a CUDA device, but {reason}; use the provider cpu or auto"
    assert not preloaded


def test_cuda_where_there_is_one(monkeypatch: pytest.MonkeyPatch, preloaded: list[str]) -> None:
    machine(monkeypatch, built=True, gpus=1)
    assert choose_providers("cuda") == [CUDA, CPU]
    assert preloaded


@pytest.mark.parametrize("loads", [False, True])
def test_tensorrt_is_taken_only_when_asked_for(
    monkeypatch: pytest.MonkeyPatch, preloaded: list[str], loads: bool
) -> None:
    machine(monkeypatch, built=True, gpus=1)
    monkeypatch.setattr(providers, "tensorrt_loads", lambda: loads)
    assert choose_providers("auto") == choose_providers("cuda") == [CUDA, CPU]
    if loads:
        assert choose_providers("tensorrt") == [TENSORRT, CUDA, CPU]
        assert preloaded == ["preloaded"] * 3  # TensorRT's libraries need those of CUDA
        return
    with pytest.raises(ModelFileError, match=r"^expected TensorRT 10, but its libraries .* use --provider cuda$"):
        choose_providers("tensorrt")


@pytest.mark.parametrize(
    ("built", "gpus", "reason"),
    [(True, 0, "no GPU is visible to the NVIDIA driver"), (False, 2, "this ONNX Runtime has no TensorRT provider")],
)
def test_tensorrt_where_there_is_none_is_refused(
    monkeypatch: pytest.MonkeyPatch, preloaded: list[str], built: bool, gpus: int, reason: str
) -> None:
    machine(monkeypatch, built=built, gpus=gpus)
    with pytest.raises(ModelFileError) as caught:
        choose_providers("tensorrt")
    assert str(caught.value) == f"expected a CUDA device, but {reason}; use the provider cpu or auto"
    assert not preloaded


@pytest.mark.parametrize("place", ["nowhere", "system", "package"])
def test_the_libraries_of_tensorrt_are_looked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, place: str) -> None:
    """On the path of the loader, then in the folder where the Python package puts them."""
    (tmp_path / "tensorrt_libs").mkdir()
    (tmp_path / "tensorrt_libs" / "__init__.py").touch()
    if place == "package":
        monkeypatch.syspath_prepend(tmp_path)
    loaded = []

    def load(name: str, mode: int) -> None:
        if Path(name).is_absolute() != (place == "package") or place == "nowhere":
            raise OSError(name)
        loaded.append(Path(name).name.split(".")[0])

    monkeypatch.setattr(ctypes, "CDLL", load)
    assert tensorrt_loads.__wrapped__() == (place != "nowhere")
    assert loaded == ([] if place == "nowhere" else ["libnvinfer", "libnvonnxparser"])


class Driver:
    def __init__(self, init: int, count_error: int, gpus: int) -> None:
        self.init, self.count_error, self.gpus = init, count_error, gpus

    def cuInit(self, flags: int) -> int:
        return self.init

    def cuDeviceGetCount(self, count: ctypes._Pointer[ctypes.c_int]) -> int:
        ctypes.cast(count, ctypes.POINTER(ctypes.c_int)).contents.value = self.gpus
        return self.count_error


@pytest.mark.parametrize(
    ("driver", "count"),
    [(None, 0), (Driver(100, 0, 1), 0), (Driver(0, 3, 1), 0), (Driver(0, 0, 0), 0), (Driver(0, 0, 2), 2)],
    ids=["no-driver", "no-device", "no-count", "zero", "two"],
)
def test_the_driver_counts_the_gpus(monkeypatch: pytest.MonkeyPatch, driver: Driver | None, count: int) -> None:
    def load(name: str) -> Driver:
        if driver is None:
            raise OSError(name)
        return driver

    monkeypatch.setattr(ctypes, "CDLL", load)
    assert gpu_count.__wrapped__() == count


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(network(4, 2), tmp_path_factory.mktemp("models") / "small.onnx")


@without_gpu
def test_without_a_gpu_there_is_no_noise(model: Path) -> None:
    done = subprocess.run([*COMMAND, "inspect", model], capture_output=True, text=True, env=ENVIRONMENT, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "provider: CPUExecutionProvider\n" in done.stdout


@without_gpu
@pytest.mark.parametrize("provider", ["cuda", "tensorrt"])
def test_without_a_gpu_asking_for_one_is_one_line(
    model: Path, provider: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["inspect", str(model), "--provider", provider]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("error: expected a CUDA device, but ")
    assert err.count("\n") == 1
