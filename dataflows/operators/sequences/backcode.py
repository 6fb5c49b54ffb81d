"""Look-back conditions as code for a small stack machine of numbers (``kernels_back``), where they need nothing else."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dataflows.operators.sequences import kernels_back as k
from dataflows.operators.sequences.program import Program
from models.application.stepscope import PREFIX, look_back
from models.expressions.tree import Node
from models.values.types import Kind, Type

_COMPARE = {"=": 0, "<>": 1, "<": 2, "<=": 3, ">": 4, ">=": 5}
_ADD = {"+": (k.ADD_I, k.ADD_F), "-": (k.SUB_I, k.SUB_F), "*": (k.MUL_I, k.MUL_F)}
_NUMBERS = {"first": (k.FIRST_I, k.FIRST_F), "last": (k.LAST_I, k.LAST_F), "sum": (k.SUM_I, k.SUM_F), "avg": (k.AVG_I, k.AVG_F),
            "min": (k.MIN_I, k.MIN_F), "max": (k.MAX_I, k.MAX_F)}  # fmt: skip
_WHOLE = frozenset({Kind.INT, Kind.DECIMAL, Kind.TIMESTAMP, Kind.DATE, Kind.INTERVAL, Kind.BOOL, Kind.NULL})


EXACT_DIGITS = 15
"""Decimals of more digits are no exact float, so dividing them by a power of ten might round twice."""


class _Unsupported(Exception):
    """An expression that the stack machine cannot do."""


@dataclass(frozen=True, slots=True)
class BackCode:
    """Code of all conditions that look back.

    begins int64[c]: where a condition's code begins, -1 for none; code int64[n, 4]: operation and operands; floats: constants;
    sets bool[s, arms]: arms that one reading covers; columns: the fields kept of each event, and read of the one at hand.
    """

    begins: NDArray[np.int64]
    code: NDArray[np.int64]
    floats: NDArray[np.float64]
    sets: NDArray[np.bool_]
    columns: tuple[str, ...]


def compile_back(program: Program, fields: dict[str, Type]) -> BackCode | None:
    """The code of a program's look-backs, None where one needs more than numbers; ``fields``: types of the columns read."""
    writer = _Writer(program, fields)
    begins = np.full(len(program.conditions), -1, np.int64)
    try:
        for number, condition in enumerate(program.conditions):
            if condition.back is not None:
                begins[number] = len(writer.code)
                writer.write(condition.back.root)
                writer.code.append((k.END, 0, 0, 0))
    except _Unsupported:
        return None
    if writer.deepest > k.DEPTH:
        return None
    sets = np.zeros((max(len(writer.sets), 1), len(program.names)), np.bool_)
    for place, arms in enumerate(writer.sets):
        sets[place, [number for number, name in enumerate(program.names) if name in arms]] = True
    code = np.array(writer.code, np.int64) if writer.code else np.zeros((1, 4), np.int64)
    return BackCode(begins, code, np.array([*writer.floats, 0.0]), sets, tuple(writer.columns))


class _Writer:
    def __init__(self, program: Program, fields: dict[str, Type]) -> None:
        self.program = program
        self.fields = fields
        self.code: list[tuple[int, int, int, int]] = []
        self.floats: list[float] = []
        self.sets: list[tuple[str, ...]] = []
        self.columns: list[str] = []
        self.depth = self.deepest = 0

    def write(self, node: Node) -> None:
        """The code that leaves a node's value on the stack."""
        if node.type.kind not in _WHOLE and node.type.kind is not Kind.FLOAT:
            raise _Unsupported(node.op)
        is_float = node.type.kind is Kind.FLOAT
        if node.op == "literal":
            self._literal(node, is_float)
        elif node.op == "column":
            self._column(node, is_float)
        elif node.op in ("and", "or"):
            self._both(node, k.AND if node.op == "and" else k.OR)
        elif node.op == "not":
            self._one(node, k.NOT)
        elif node.op in _COMPARE:
            self._both(node, k.COMPARE_F if node.args[0].type.kind is Kind.FLOAT else k.COMPARE_I, _COMPARE[node.op])
        elif node.op == "is null":
            self._one(node, k.IS_NULL)
        elif node.op == "is distinct from":
            self._both(node, k.DISTINCT_F if node.args[0].type.kind is Kind.FLOAT else k.DISTINCT_I)
        elif node.op in _ADD:
            self._arithmetic(node, is_float)
        elif node.op == "/":
            self._both(node, k.DIVIDE)
        elif node.op == "to float":
            if node.args[0].type.precision > EXACT_DIGITS:
                raise _Unsupported(node.op)
            self._one(node, k.TO_FLOAT, int(node.value))
        elif node.op in ("to decimal", "to comparable"):
            self._one(node, k.TO_DECIMAL if node.op == "to decimal" else k.TO_COMPARABLE, int(node.value))
        elif node.op == "seconds":
            self._one(node, k.TO_FLOAT, 6)
        elif node.op == "coalesce":
            self._coalesce(node, is_float)
        else:
            raise _Unsupported(node.op)

    def _put(self, operation: int, a: int = 0, b: int = 0, c: int = 0, *, takes: int = 0) -> None:
        self.code.append((operation, a, b, c))
        self.depth += 1 - takes
        self.deepest = max(self.deepest, self.depth)

    def _literal(self, node: Node, is_float: bool) -> None:
        if node.value is None:
            self._put(k.NULL)
        elif is_float:
            self.floats.append(node.value)
            self._put(k.CONST_F, len(self.floats) - 1)
        else:
            self._put(k.CONST_I, int(node.value))

    def _column(self, node: Node, is_float: bool) -> None:
        if not node.value.startswith(PREFIX):
            self._put(k.COLUMN_F if is_float else k.COLUMN_I, self._field(node.value))
            return
        back = look_back(node.value)
        if back.arms not in self.sets:
            self.sets.append(back.arms)
        arms = self.sets.index(back.arms)
        if back.function == "count":
            self._put(k.COUNT, arms)
            return
        of = self.fields.get(back.field)
        if of is None or (of.kind not in _WHOLE and of.kind is not Kind.FLOAT):
            raise _Unsupported(back.field)
        whole, floating = _NUMBERS[back.function]
        extra = {"last": back.n, "sum": int(of.kind is Kind.DECIMAL), "avg": of.scale}.get(back.function, 0)
        self._put(floating if of.kind is Kind.FLOAT else whole, arms, self._field(back.field), extra)

    def _field(self, name: str) -> int:
        if name not in self.fields or (self.fields[name].kind not in _WHOLE and self.fields[name].kind is not Kind.FLOAT):
            raise _Unsupported(name)
        if name not in self.columns:
            self.columns.append(name)
        return self.columns.index(name)

    def _one(self, node: Node, operation: int, a: int = 0) -> None:
        self.write(node.args[0])
        self._put(operation, a, takes=1)

    def _both(self, node: Node, operation: int, a: int = 0) -> None:
        for arg in node.args:
            self.write(arg)
        self._put(operation, a, takes=2)

    def _arithmetic(self, node: Node, is_float: bool) -> None:
        whole, floating = _ADD[node.op]
        x, y = node.value if isinstance(node.value, tuple) else (1, 1)
        for arg, power in zip(node.args, (x, y), strict=True):
            self.write(arg)
            self._scale(arg, power)
        self._put(floating if is_float else whole, int(node.type.kind is Kind.DECIMAL), takes=2)

    def _scale(self, node: Node, power: int) -> None:
        """Bring an exact number to a larger scale, where its digits leave room."""
        if power != 1:
            digits = node.type.precision if node.type.kind is Kind.DECIMAL and node.op == "column" else 19
            if node.op == "literal" and node.value is not None:
                digits = len(str(abs(node.value)))
            if digits + len(str(power)) - 1 > 18:
                raise _Unsupported(node.op)
            self._put(k.CONST_I, power)
            self._put(k.MUL_I, 0, takes=2)

    def _coalesce(self, node: Node, is_float: bool) -> None:
        self.write(node.args[0])
        for arg in node.args[1:]:
            self.write(arg)
            self._put(k.COALESCE, takes=2)
