"""Plans and patterns as drawings."""
