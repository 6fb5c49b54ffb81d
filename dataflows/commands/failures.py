"""Errors as people see them: one line each, without a stack trace where the file or data is at fault."""

from __future__ import annotations

import sys
import traceback

WRONG_INPUT, USAGE, OUTSIDE, INTERRUPTED = 1, 2, 3, 130
"""Exit codes: the user's file or data is wrong; wrong usage; an outside system failed; interrupted."""



class UserError(Exception):
    """Something that the user can mend; its text is all that they need to see."""

    code = WRONG_INPUT


def report(error: BaseException) -> int:
    """Print an error to standard error; the exit code that fits it."""
    text, code, known = told(error)
    if not known:
        traceback.print_exception(error, file=sys.stderr)
    print(text, file=sys.stderr)
    return code


def told(error: BaseException) -> tuple[str, int, bool]:
    """An error's text, the exit code that fits it, and whether the text is all that there is to know."""
    from agents.ledger.connect import unusable

    known = _known(error)
    if known is not None:
        return known, int(getattr(error, "code", WRONG_INPUT)), True
    if type(error).__name__ == "PanicException":
        from dataflows.runtime.workers import LOST_PEER

        return LOST_PEER, OUTSIDE, True
    if (text := unusable(error)) is not None:
        return text, OUTSIDE, True
    if isinstance(error, OSError):
        return f"{error.filename or 'input or output'}: {error.strerror or error}", OUTSIDE, True
    return "This is a defect of Tocsin, not of your file: please report it with its stack trace.", OUTSIDE, False


def _known(error: BaseException) -> str | None:
    """The message of an error that is the user's to mend, None for others."""
    from agents.ledger.connect import LedgerError
    from dataflows.connectors.files import FileProblem
    from dataflows.connectors.jsonlines import WriteFailed
    from dataflows.connectors.kafka.reasons import KafkaProblem
    from dataflows.lines import BadLine
    from dataflows.reading.deadlimit import TooManyDead
    from dataflows.reading.promise import PromiseBroken
    from dataflows.running import NothingLeft
    from dataflows.runtime.workers import WorkerFailed
    from dataflows.state.directory import StateProblem
    from models.application.errors import ApplicationErrors
    from models.detectors.registry import ModelProblem
    from models.values.packed import UnknownState

    known = (UserError, LedgerError, ModelProblem, BadLine, FileProblem, KafkaProblem, UnknownState, TooManyDead,
             ApplicationErrors, WorkerFailed, StateProblem, NothingLeft, PromiseBroken, WriteFailed)  # fmt: skip
    if isinstance(error, known):
        return str(error)
    return None
