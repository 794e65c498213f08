"""The editions of FER-2013: what lies where, and how each is read into the same table."""
