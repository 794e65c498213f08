"""The tables that a person reads, generated from the ledger: README.md's and reports/recipes.md."""
