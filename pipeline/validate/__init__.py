"""Stage validate: Great Expectations on one row of statistics per image."""
