"""params.yaml and the recipes as frozen, typed settings, and the resolved config that training takes."""
