"""Each thing that `nemo-docs doctor` looks at: real probes, each on its own, so that one failure hides no other.

Looking changes nothing: no folder is made, no file is mended, nothing is fetched.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping

from nemo_docs.commands import library_check, machine_check, model_check
from nemo_docs.commands.check import Check, Status
from nemo_docs.errors import NemoDocsError
from nemo_docs.settings import Configuration, load


def check_all(options: Mapping[str, object] | None = None) -> Iterator[Check]:
    """Look at everything; what the settings name only if they can be read.

    Args:
        options: Settings of the command line.
    """
    yield Check("python", Status.OK, f"{platform.python_version()} on {platform.platform()}")
    yield machine_check.full_text_search()
    yield machine_check.cores_and_memory()
    try:
        configuration = load(options=options)
    except NemoDocsError as error:
        yield machine_check.torch("auto")[0]
        yield Check("settings", Status.BROKEN, error.message, error.hint)
        return
    torch, device = machine_check.torch(configuration.settings.device)
    yield torch
    yield _settings(configuration)
    yield machine_check.disk(configuration.paths)
    yield machine_check.privacy(configuration.paths)
    yield library_check.library(configuration.paths.library)
    yield library_check.files_to_add(configuration.paths.library)
    yield library_check.ocr(configuration.settings)
    yield library_check.meaning(configuration.paths.library)
    yield library_check.store(configuration)
    yield from model_check.models(configuration)
    engine, status = model_check.engine(configuration)
    if device is not None:
        yield from model_check.memory(configuration, device, status)
    yield engine


def _settings(configuration: Configuration) -> Check:
    changed = sum(origin != "default" for origin in configuration.origins.values())
    return Check("settings", Status.OK, f"{configuration.paths.config}, {changed} not at their default")
