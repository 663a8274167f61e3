"""The annotation database: tables, transactions, leases and answers, one SQLite file."""
