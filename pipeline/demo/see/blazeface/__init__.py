"""BlazeFace: the two networks, one pass over a square view of a picture, and the command that makes the files."""
