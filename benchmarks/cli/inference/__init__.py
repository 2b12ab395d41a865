"""The verbs that measure networks alone, or the gathering of what many searches ask."""
