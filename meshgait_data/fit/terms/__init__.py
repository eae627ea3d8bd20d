"""The terms of the fit's energy, each with its Jacobian: what observed the body, and what is known beforehand."""
