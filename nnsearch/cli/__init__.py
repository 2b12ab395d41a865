"""The ``nnsearch`` command."""
