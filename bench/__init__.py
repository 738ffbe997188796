"""
Benchmarks: what each kind of work costs Bahi, compared with peers that do the same work, in one run.

It knows Bahi over HTTP, as a client app does, and reads from the kernel and from Postgres what the work took.
"""
