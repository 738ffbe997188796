"""When code runs, and with which settings: maps and settings, nothing else."""
