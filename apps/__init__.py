"""The apps of Bahi, in a stack: an app imports only those below it."""
