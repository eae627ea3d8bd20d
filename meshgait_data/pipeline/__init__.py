"""Join algorithms and files: jobs, resume, failures, and the stages of the line."""
