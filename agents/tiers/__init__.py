"""One tier a file: each decides, abstains, or waits."""
