"""What has been solved before: the store of past solves.

Nothing here loads a database's library but :mod:`nnsearch.history.store`, which is imported where a history is opened.
"""
