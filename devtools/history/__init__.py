"""
`make history`: concurrent clients, killed processes and cut connections, and a checker that reads only their journal.

`actors` use a stack of their own over HTTP while `faults` kill its processes; `client` journals each intent and outcome.
`checker` decides from the journal whether an order, a unit or a rupee was lost or doubled.
"""
