"""From a frame to faces with emotions: detector, crop, classifier, tracks."""
