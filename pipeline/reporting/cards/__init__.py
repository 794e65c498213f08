"""The data card, and the page that leads to everything in reports/."""
