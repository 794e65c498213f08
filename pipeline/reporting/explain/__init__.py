"""Explanations: which parts of a face a model's answer rests on, of one picture and on average."""
