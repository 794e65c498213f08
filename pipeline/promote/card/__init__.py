"""The model card (Mitchell et al. 2019, arXiv 1810.03993): what a champion predicts, for whom, and how well."""
