"""The annotated picture and the window that shows it."""
