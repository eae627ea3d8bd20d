"""From shards to batches: sampling, clips, augmentation."""
