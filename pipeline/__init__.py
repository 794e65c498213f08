"""From raw FER-2013 images to a promoted model on a webcam; one module is one stage."""
