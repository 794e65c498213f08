"""Replications of what the published systems' authors found on the side: a YAML file each, beside this one."""
