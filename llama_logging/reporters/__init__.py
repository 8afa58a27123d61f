"""Reporters send errors outside; each is one small file."""
