"""Short, unmistakable and never broken over two lines: 21 Nov 2026, 1:05 pm IST; `pm` is in config/locale."""

DATE_FORMAT = "j\xa0M\xa0Y"
TIME_FORMAT = "g:i\xa0A\xa0T"
DATETIME_FORMAT = "j\xa0M\xa0Y,\xa0g:i\xa0A\xa0T"
SHORT_DATE_FORMAT = "j\xa0M\xa0Y"
SHORT_DATETIME_FORMAT = "j\xa0M\xa0Y,\xa0g:i\xa0A\xa0T"
