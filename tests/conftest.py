"""Properties are tried on the same examples in every run; `make soak` tries new ones."""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile("fixed", derandomize=True, deadline=None)
settings.register_profile("random", derandomize=False, deadline=None)
settings.load_profile("random" if os.environ.get("TOCSIN_RANDOM") else "fixed")
