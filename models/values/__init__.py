"""Types, typed columns and strings as spans of bytes: what every other package passes around."""
