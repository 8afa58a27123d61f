"""The registry in SQL: what SQLite and PostgreSQL have in common, which is nearly all of it.

access    what is left to a subclass
intake    frames become rows
errors    questions about errors
groups    groups as they are shown
triage    what people decide about groups
moves     errors that are given to other groups
attempts  what recovery may act on, and what it tried
upkeep    pruning, notes and health
outbox    what is to be sent
charts    what pages show
ledger    predictions
"""

from __future__ import annotations

from llama_logging.stores.attempts import SQLAttempts
from llama_logging.stores.charts import SQLCharts
from llama_logging.stores.errors import SQLErrors
from llama_logging.stores.groups import SQLGroups
from llama_logging.stores.intake import SQLIntake
from llama_logging.stores.ledger import SQLLedger
from llama_logging.stores.origins import SQLOrigins
from llama_logging.stores.outbox import SQLOutbox
from llama_logging.stores.triage import SQLTriage
from llama_logging.stores.upkeep import SQLUpkeep


class SQLStore(
    SQLIntake,
    SQLErrors,
    SQLGroups,
    SQLOrigins,
    SQLTriage,
    SQLAttempts,
    SQLUpkeep,
    SQLOutbox,
    SQLCharts,
    SQLLedger,
):
    """See `registry.Store` for the contract; a subclass knows how to connect, and gives what SQLAccess says."""
