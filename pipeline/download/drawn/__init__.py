"""The sample data set: faces and clips that the project draws itself."""
