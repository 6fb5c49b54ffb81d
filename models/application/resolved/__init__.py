"""An application as the rest of Tocsin sees it: checked, typed, defaults filled in, expressions compiled.

All durations are int64 microseconds. Column names in a row's environment: a field by its own name, a join's column as
``join.column``, a feature or score as ``name[field]`` where ``field`` is the stream's field (several joined by a comma) that
plays the entity's role (``name[]`` without an entity), another pattern's truth as ``pattern:NAME``.
"""
