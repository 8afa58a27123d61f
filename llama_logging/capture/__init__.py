"""From a LogRecord to an ErrorContext.

capturing    the whole way, once for each record

about        which exception a record is about
chains       what hangs together with it
kinds        its class
frames       the calls on its traceback
codes        what it carries besides its text
endpoints    what a framework served when it arose
sights       all that is to be seen of it from outside
tracebacks   what it says of itself, and the text that the standard library prints
printed      that text, read back from a message
seen, marks  whether it was captured before

records      what a record can be asked
messages     what it says
sites        where it was logged, if nothing was raised
unlogged     records for what nobody logged
forms        what records like it have in common

breadcrumbs  what was logged before
variables    the local variables of the calls
tracing      the trace that was active
tagging      the tags that held

fingerprint  which errors are the same
grouping     which are by the user's rules
"""
