"""What a person sees: the annotated picture and the window."""
