"""Settings of experiments, as frozen types that are read from YAML."""
