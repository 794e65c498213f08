"""What the published systems' authors found on the side, as small studies: a YAML file each, beside this one."""
