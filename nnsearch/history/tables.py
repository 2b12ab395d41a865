"""The tables of a store, the same in SQLite and in PostgreSQL. A change of them is a new format."""

from __future__ import annotations

from sqlalchemy import Column, Double, ForeignKey, Index, Integer, LargeBinary, MetaData, Table, Text

FORMAT = 2
"""Format 1 had no line-ups, and no column of improvements; a store of it is brought up to date when it is opened."""

METADATA = MetaData()

FORMATS = Table(
    "nnsearch_history",
    METADATA,
    Column("format", Integer, primary_key=True, autoincrement=False),
)
"""One row."""

MODELS = Table(
    "nnsearch_models",
    METADATA,
    Column("number", Integer, primary_key=True),
    Column("digest", LargeBinary, nullable=False, unique=True),  # SHA-256 of the model
    Column("family", Text, nullable=False),  # of the solve that brought it
    Column("base", Integer, ForeignKey("nnsearch_models.number")),  # a full model; this one is the difference
    Column("size", Integer, nullable=False),  # before compression
    Column("content", LargeBinary, nullable=False),
)
Index("nnsearch_models_base", MODELS.c.base, MODELS.c.family, MODELS.c.number)

SHAPES = Table(
    "nnsearch_shapes",
    METADATA,
    Column("number", Integer, primary_key=True),
    Column("digest", LargeBinary, nullable=False, unique=True),  # SHA-256 of the names
    Column("variables", Integer, nullable=False),
    Column("size", Integer, nullable=False),  # before compression
    Column("names", LargeBinary, nullable=False),
)

SOLVES = Table(
    "nnsearch_solves",
    METADATA,
    Column("number", Integer, primary_key=True),
    Column("family", Text, nullable=False),
    Column("created", Double, nullable=False),
    Column("status", Text, nullable=False),
    Column("objective", Double),
    Column("bound", Double),
    Column("seconds", Double, nullable=False),
    Column("found_by", Text, nullable=False),
    Column("model", Integer, ForeignKey(MODELS.c.number), nullable=False),
    Column("shape", Integer, ForeignKey(SHAPES.c.number), nullable=False),
    Column("solutions", Integer, nullable=False),  # how many
    Column("parameters", Text, nullable=False),
    Column("improvements", Text, nullable=False, server_default=""),  # JSON: how many each subsolver brought
    Column("sketch", LargeBinary, nullable=False),
    sqlite_autoincrement=True,  # the number of a solve that was pruned is not given to another
)
Index("nnsearch_solves_family", SOLVES.c.family, SOLVES.c.created)
Index("nnsearch_solves_created", SOLVES.c.created)
Index("nnsearch_solves_model", SOLVES.c.model)
Index("nnsearch_solves_shape", SOLVES.c.shape)

LINE_UPS = Table(
    "nnsearch_line_ups",
    METADATA,
    Column("family", Text, primary_key=True),
    Column("workers", Integer, primary_key=True, autoincrement=False),
    Column("subsolvers", Text, nullable=False),  # names, with spaces between
    Column("helps", Integer, nullable=False),
    Column("measured", Text, nullable=False),
)
"""What was measured last."""

SOLUTIONS = Table(
    "nnsearch_solutions",
    METADATA,
    Column("solve", Integer, ForeignKey(SOLVES.c.number), primary_key=True, autoincrement=False),
    Column("objectives", LargeBinary, nullable=False),  # float64 each, NaN without one
    Column("content", LargeBinary, nullable=False),
)
"""All solutions of a solve in one row, for they resemble each other; none for a solve without any."""
