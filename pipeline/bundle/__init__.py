"""The model bundle: one immutable folder, named by the hash of its content, that every stage after train reads."""
