"""``tocsin warm``: compiles the kernels once, so that runs start at once."""

from __future__ import annotations

import tempfile
from pathlib import Path

import typer


def warm() -> None:
    """Compile and cache all kernels by running the example over a tiny bank."""
    from dataflows.commands.demo import APPLICATION
    from dataflows.generate.bank import Size
    from dataflows.generate.write import generate_bank, inputs_of
    from dataflows.running import Job, run_here
    from dataflows.testing import run_tests
    from models.application.load import load

    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        generate_bank(data, Size(100, 200, 7), episodes=1)
        overlay = data / "out.yaml"
        overlay.write_text(f"flags: {{to: {{file: {data / 'flags.jsonl'}}}}}\n")
        run_here(Job(load(APPLICATION, overlays=[overlay], inputs=inputs_of(data)), 16, lambda: ""))
        passed = sum(result.ok for result in run_tests(load(APPLICATION)))
    typer.echo(f"kernels are compiled ({passed} inline tests passed)")
