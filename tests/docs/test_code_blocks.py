"""What the pages show, works: the code of each page runs from top to bottom, as somebody would who reads it."""

from __future__ import annotations

from pathlib import Path

import pytest
from pages import PAGES, RUN, SHOWN, TUTORIALS, languages_of, name_of, reasons_of, run_page

from nnsearch.inference.pretrained import pretrained_models

WITH_CODE = [page for page in PAGES if page not in TUTORIALS and set(languages_of(page)) & set(RUN)]


@pytest.mark.slow
@pytest.mark.parametrize("page", WITH_CODE, ids=name_of)
def test_the_code_of_a_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # for files that an example writes
    assert pretrained_models()
    run_page(page)


def test_every_block_has_a_language_that_is_run_or_only_shown() -> None:
    known = {*RUN, *SHOWN}
    assert {name_of(page): set(languages_of(page)) - known for page in PAGES if set(languages_of(page)) - known} == {}


def test_what_is_left_out_says_why() -> None:
    assert [name_of(page) for page in PAGES for reason in reasons_of(page) if not reason] == []
