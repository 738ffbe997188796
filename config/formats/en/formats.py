"""Short, unmistakable and never broken over two lines: 21 Nov 2026, 13:05:09."""

DATE_FORMAT = "j\xa0M\xa0Y"
TIME_FORMAT = "H:i:s"
DATETIME_FORMAT = "j\xa0M\xa0Y,\xa0H:i:s"
SHORT_DATE_FORMAT = "j\xa0M\xa0Y"
SHORT_DATETIME_FORMAT = "j\xa0M\xa0Y,\xa0H:i"
