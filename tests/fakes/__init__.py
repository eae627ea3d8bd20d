"""Miniature fakes of datasets: people of random shape who walk as captured people did, in each dataset's own files."""
