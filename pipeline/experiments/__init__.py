"""Commands that run many trainings or bring models in from other machines."""
