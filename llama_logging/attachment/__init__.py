"""Attaching to applications whose code and configuration stay as they are."""
