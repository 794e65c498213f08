"""The tables that a person reads, generated from the ledger: README.md's, reports/results.md and reports/recipes.md."""
