"""From a frame to faces with emotions: finder, crop, classifier, tracks."""
