"""Text to sqlglot's tree: DuckDB's scalar expressions alone, so that words that begin statements are names like others."""

from __future__ import annotations

import logging
from typing import Any, ClassVar

from sqlglot.dialects.duckdb import DuckDB
from sqlglot.errors import ParseError
from sqlglot.tokens import Token, TokenType

_STATEMENTS = frozenset(DuckDB.Parser.STATEMENT_PARSERS) - {TokenType.SEMICOLON} | {TokenType.COMMAND, TokenType.MAP}
logging.getLogger("sqlglot").setLevel(logging.CRITICAL)  # what it warns of is told as a problem of the expression
_BEFORE_ARGUMENT = frozenset({TokenType.COMMA, TokenType.L_PAREN})
_AFTER_ARGUMENT = frozenset({TokenType.COMMA, TokenType.R_PAREN})


class _Expressions(DuckDB):  # type: ignore[misc]
    class Tokenizer(DuckDB.Tokenizer):  # type: ignore[misc]
        COMMANDS: ClassVar[set[TokenType]] = set()
        KEYWORDS = {word: kind for word, kind in DuckDB.Tokenizer.KEYWORDS.items() if kind not in _STATEMENTS}

    class Parser(DuckDB.Parser):  # type: ignore[misc]
        STATEMENT_PARSERS: ClassVar[dict[TokenType, Any]] = {}
        NO_PAREN_FUNCTION_PARSERS = {name: f for name, f in DuckDB.Parser.NO_PAREN_FUNCTION_PARSERS.items() if name != "MAP"}


def parse(text: str) -> Any:
    """One expression as sqlglot's tree.

    Raises:
        SqlglotError: where it is none.
    """
    dialect = _Expressions()
    tokens = dialect.tokenize(text)
    _whole(tokens)
    trees = dialect.parser().parse(tokens, text)
    if len(trees) != 1 or trees[0] is None:
        raise ParseError("expected one expression")
    return trees[0]


def _whole(tokens: list[Token]) -> None:
    """The parser passes over arguments that are left out, and takes text behind a semicolon for another statement."""
    for before, token in zip([None, *tokens], tokens, strict=False):
        kind = token.token_type
        left_out = before is not None and before.token_type in _BEFORE_ARGUMENT and kind in _AFTER_ARGUMENT
        called = before is not None and before.token_type is TokenType.L_PAREN and kind is TokenType.R_PAREN
        if kind is TokenType.SEMICOLON or (left_out and not called):
            what = "an argument is missing" if left_out else "Invalid expression / Unexpected token"
            raise ParseError.new(what, description=what, line=token.line, col=token.col, highlight=token.text)
