"""Tables, pages and benchmarks made from the ledger and the models."""
