"""What every program needs and no result depends on."""
