"""Why a pattern did or did not fire for one key: every attempt, and what ended it."""
