"""An error tracker that lives inside the process and heals."""
