"""The one data type that every stage shares: images, labels, splits, class sets, FER+ votes, teachers."""
