"""From raw FER-2013 images to a promoted model on a webcam; a folder per stage."""
