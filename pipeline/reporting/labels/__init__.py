"""Labels that are probably wrong, and what they mean for the figures."""
