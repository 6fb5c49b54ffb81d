"""Trained models in a folder: NAME@VERSION.skops, a format that runs no code when it is read, and NAME@VERSION.json about it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_HARMLESS = frozenset({"numpy.dtype"})


class ModelProblem(Exception):
    """A model that cannot be used; the text says which, why, and what to do."""


@dataclass(frozen=True, slots=True)
class Detector:
    """A trained scikit-learn pipeline. features: names with expressions over flags, in the order of its columns."""

    name: str
    version: str
    sha256: str
    features: Mapping[str, str]
    pipeline: Any = field(repr=False)

    @property
    def ref(self) -> str:
        """NAME@VERSION."""
        return f"{self.name}@{self.version}"

    def score(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """float64[n] for float64[n, features] with NaN for NULL: the probability of the last class, else what it predicts."""
        if hasattr(self.pipeline, "predict_proba"):
            return np.asarray(self.pipeline.predict_proba(rows)[:, -1], np.float64)
        return np.asarray(self.pipeline.predict(rows), np.float64)


def save(folder: Path, ref: str, pipeline: Any, features: Mapping[str, str]) -> Detector:
    """Write a fitted pipeline under NAME@VERSION; one that is there already is replaced."""
    import skops.io

    name, _, version = ref.partition("@")
    folder.mkdir(parents=True, exist_ok=True)
    data = skops.io.dumps(pipeline)
    sha = hashlib.sha256(data).hexdigest()
    about = {"name": name, "version": version, "sha256": sha, "features": dict(features)}
    for path, content in ((_model(folder, ref), data), (_about(folder, ref), json.dumps(about, indent=2).encode() + b"\n")):
        part = path.with_name(path.name + ".part")
        part.write_bytes(content)
        part.replace(path)
    return Detector(name, version, sha, features, pipeline)


def load(folder: Path, ref: str) -> Detector:
    """Read a model.

    Raises:
        ModelProblem: if it is missing, not what its description says, or holds what a model has no need of.
    """
    import skops.io

    try:
        about, data = json.loads(_about(folder, ref).read_bytes()), _model(folder, ref).read_bytes()
    except OSError as error:
        raise ModelProblem(f"model {ref}: {error.filename}: {error.strerror}; train it, or name the folder as registry") from None
    except ValueError:
        raise ModelProblem(f"model {ref}: {_about(folder, ref)}: expected JSON; train it again") from None
    sha = hashlib.sha256(data).hexdigest()
    if sha != about.get("sha256"):
        raise ModelProblem(f"model {ref}: expected sha256 {about.get('sha256')}; found {sha}; train it again or restore the file")
    asked = skops.io.get_untrusted_types(data=data)
    unknown = [name for name in asked if name not in _HARMLESS and not name.startswith("sklearn.")]
    if unknown:
        raise ModelProblem(f"model {ref}: it holds types that no model of scikit-learn needs: {', '.join(sorted(unknown))}")
    features = {str(name): str(text) for name, text in about.get("features", {}).items()}
    return Detector(about["name"], about["version"], sha, features, skops.io.loads(data, trusted=asked))


def _model(folder: Path, ref: str) -> Path:
    return folder / f"{ref}.skops"


def _about(folder: Path, ref: str) -> Path:
    return folder / f"{ref}.json"
