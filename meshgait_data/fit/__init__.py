"""Fit bodies to observations: closed-form start, residuals, batched solver, verdict."""
