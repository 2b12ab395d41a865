"""The command line of the suites: a module for each verb; studies have theirs beside them."""
