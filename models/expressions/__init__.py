"""SQL expressions: parsed, typed, evaluated on columns and rows, explained."""
