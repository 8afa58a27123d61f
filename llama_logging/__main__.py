"""`python -m llama_logging` is `llama-logging`."""

import sys

from llama_logging.cli.main import main

sys.exit(main())
