"""Whether the search pays, and how it scales: reports/tuning.md."""
