"""Strategies for an Ollama server, one a file; what they ask of it is in `server`."""
