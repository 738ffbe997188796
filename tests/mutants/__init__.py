"""
Mutants: small faults that are planted in the product, one at a time, to learn whether the tests and the audit notice them.

`make mutants` records once which test runs which line, plants 300 faults of a fixed seed, and writes a report. See
docs/mutants.md.
"""
