"""How many cases a property is tried on: a share of what the profile takes, so that one number moves all of them."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings
from hypothesis.internal.conjecture import providers

_RELAXED = {
    "deadline": None,  # how long a case takes is for benchmarks to say, and how slow a machine is says nothing of us
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
}


def load_profile() -> None:
    """The same cases each time, so that a test fails at the commit that breaks it and at no other.

    `NEMO_DOCS_EXAMPLES=2000 pytest --hypothesis-profile=search` looks for new ones.
    """
    settings.register_profile("behaviour", derandomize=True, **_RELAXED)
    many = int(os.environ.get("NEMO_DOCS_EXAMPLES", "1000"))
    settings.register_profile("search", max_examples=many, print_blob=True, **_RELAXED)
    settings.load_profile("behaviour")
    # Literals of the modules that are loaded by then are tried, too: which these are differs from run to run.
    is_local = providers.is_local_module_file
    providers.is_local_module_file = lambda path: not settings().derandomize and is_local(path)


def examples(of_a_hundred: int) -> settings:
    """So many cases where the profile takes a hundred, for a property that is slow to try or has much to try.

    Args:
        of_a_hundred: Cases in an ordinary run.
    """
    return settings(max_examples=max(1, settings().max_examples * of_a_hundred // 100))
