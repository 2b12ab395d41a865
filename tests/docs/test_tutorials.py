"""The code of each tutorial runs from top to bottom. They take minutes: a file of their own runs beside other pages."""

from __future__ import annotations

from pathlib import Path

import pytest
from pages import RUN, TUTORIALS, languages_of, name_of, run_page

from nnsearch.inference.pretrained import pretrained_models


@pytest.mark.slow
@pytest.mark.parametrize("page", TUTORIALS, ids=name_of)
def test_the_code_of_a_tutorial_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # for files that an example writes
    assert pretrained_models()
    assert set(languages_of(page)) & set(RUN)
    run_page(page)
