"""What a site took and carried in a span of business days, from the ledger and the session records: never from metrics.

`figures` is pure: facts in, figures out. `gather` reads the facts, a day and a page at a time. The same facts give the
same figures whenever they are asked for; what came late counts on its own day.
"""
