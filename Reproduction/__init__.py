"""Tables and figures: what they need, what of it is recorded, and how the rest is run."""
