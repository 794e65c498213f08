"""Replications of the published systems' side findings: a YAML file each, beside this one."""
