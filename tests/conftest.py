from hypothesis import settings

# Timings on shared machines are noisy, and the first call of a compiled function takes seconds.
settings.register_profile("nnsearch", deadline=None)
settings.load_profile("nnsearch")
