"""Errors as documents, of our own export and from elsewhere."""
