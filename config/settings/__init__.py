"""One typed reading of the environment: `base` for all, `local`, `test` and `production` for what differs."""
