"""Bodies in SMPL's schema: read, pose, build the free one, learn virtual markers."""
