"""The command `llama-logging`: each of its words is one small file."""
