"""Recovery: rules choose strategies, the engine tries them off the caller's thread, an Outcome tells."""
