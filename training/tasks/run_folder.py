"""The folder of a run: it belongs to one config, which it holds as TOML for people and as JSON for us."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nnsearch.errors import ConfigError
from training.config import config_of, config_to_table, config_to_toml
from training.tasks.dense_config import DenseConfig
from training.tasks.graph_config import GraphConfig
from training.tasks.model_graph_config import ModelGraphConfig

AnyRunConfig = DenseConfig | GraphConfig | ModelGraphConfig


def run_config_of(table: Mapping[str, Any], source: Path | None = None) -> AnyRunConfig:
    """Build the config of the kind of run that a table describes; see :func:`training.config.config_of`."""
    encoder = table.get("encoder")
    if encoder == "model_graph":
        return config_of(ModelGraphConfig, table, source)
    if encoder == "candidate_graph":
        return config_of(GraphConfig, table, source)
    return config_of(DenseConfig, table, source)


def read_claim(run_dir: Path) -> AnyRunConfig:
    """Return the config of the run in a folder.

    Raises:
        ConfigError: the folder holds no run, or its config is damaged.
    """
    path = run_dir / "config.json"
    if not path.is_file():
        raise ConfigError(f"{run_dir}: expected the folder of a run (config.json), found none")
    try:
        table: Any = json.loads(path.read_text(encoding="utf-8"))
        return run_config_of(table, path)
    except (ConfigError, ValueError, AttributeError) as error:
        raise ConfigError(f"{path}: expected the config of a run ({error})") from None


def check_claim(run_dir: Path, config: AnyRunConfig) -> None:
    """Refuse a folder that holds a run with another config."""
    if run_dir.exists() and not run_dir.is_dir():
        raise ConfigError(f"{run_dir}: expected a folder for the run, got a file; choose another with --out")
    if (run_dir / "config.json").exists() and read_claim(run_dir) != config:
        raise ConfigError(
            f"{run_dir} holds a run with another config; choose another folder with --out, or remove it to start afresh"
        )


def claim(run_dir: Path, config: AnyRunConfig) -> None:
    """Write the resolved config into the folder."""
    run_dir.mkdir(parents=True, exist_ok=True)
    (run_dir / "config.toml").write_text(config_to_toml(config), encoding="utf-8")
    temporary = run_dir / "config.json.tmp"
    temporary.write_text(json.dumps(config_to_table(config)), encoding="utf-8")
    temporary.replace(run_dir / "config.json")
