"""Django's database backend for Postgres, with a check of idle connections that asks the server nothing."""
