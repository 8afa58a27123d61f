"""The main job on real input: a story-telling application, a stand-in Ollama server, and their play."""
