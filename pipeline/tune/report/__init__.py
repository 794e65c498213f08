"""What a study leaves for people: reports/DATASET/study.html and the pictures beside it."""
