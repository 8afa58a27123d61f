"""That an error is coming, said before it comes, with how often that was right."""
