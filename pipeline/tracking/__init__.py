"""The records: the ledger, the promotions, MLflow and its registry."""
