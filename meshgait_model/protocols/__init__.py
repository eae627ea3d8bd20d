"""Scores of embeddings by the protocols that manifests describe."""
