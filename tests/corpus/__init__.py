"""Bad input as tables: each entry is named by its class (J structure, S text, N number, ...) and says what it is."""
