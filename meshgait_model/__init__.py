"""Train and evaluate gait recognition on packed shards."""
