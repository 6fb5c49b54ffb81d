"""Seeded synthetic data: a bank's payments, logins and customers, with planted and labelled episodes of fraud."""
