"""Other shops that do what Bahi is measured at, on the same Postgres with the same rows. README.md says what they leave out."""
