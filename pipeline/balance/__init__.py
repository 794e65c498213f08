"""Stage balance: the class map on every split, and Training evened out as the recipe says."""
