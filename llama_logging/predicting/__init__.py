"""A predictor at work: what it is told, what is done about what it says, and what is kept of it."""
